#include "blocks/rpc_status.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem {
namespace {

struct Meaning {
  std::string_view name;  // Go's
  int http;
};

// By number.
constexpr std::array<Meaning, 17> kMeanings = {{{"OK", 200},
                                                {"Canceled", 408},
                                                {"Unknown", 500},
                                                {"InvalidArgument", 400},
                                                {"DeadlineExceeded", 504},
                                                {"NotFound", 404},
                                                {"AlreadyExists", 409},
                                                {"PermissionDenied", 403},
                                                {"ResourceExhausted", 429},
                                                {"FailedPrecondition", 400},
                                                {"Aborted", 409},
                                                {"OutOfRange", 400},
                                                {"Unimplemented", 501},
                                                {"Internal", 500},
                                                {"Unavailable", 503},
                                                {"DataLoss", 500},
                                                {"Unauthenticated", 401}}};

const Meaning* meaning_of(int code) {
  const auto index = static_cast<std::size_t>(code);  // a negative one is past the end
  return index < kMeanings.size() ? &kMeanings[index] : nullptr;
}

}  // namespace

int http_status_of(int code) {
  const Meaning* const meaning = meaning_of(code);
  return meaning != nullptr ? meaning->http : 500;
}

std::string rpc_text(int code, std::string_view message) {
  const Meaning* const meaning = meaning_of(code);
  const std::string name =
      meaning != nullptr ? std::string(meaning->name) : fmt::format("Code({})", static_cast<std::uint32_t>(code));
  return fmt::format("rpc error: code = {} desc = {}", name, message);
}

}  // namespace tandem
