// Fuzzes the HTTP/1.1 parser: a byte that says what comes and in which pieces, and the bytes of one message.
//
// Two servers must read a message alike, so must one server that gets it in one piece or byte by byte: the same body,
// and the same refusal. What is accepted has a head that could be sent on.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_head.h"
#include "net/http_parser.h"

namespace {

using namespace tandem::net;

constexpr std::array<std::size_t, 8> kSteps{1, 2, 3, 5, 8, 64, 1000, 100'000};
constexpr std::uint64_t kBodyLimit = 10'000;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  ParseFault fault = ParseFault::kNone;
  bool done = false;
  std::string body;
  std::vector<std::string> trailers;
};

// As a connection does it: decoded bytes are taken out, what is left over waits for more.
template <bool kRequest>
Outcome parse(std::string_view head, std::string_view rest, std::size_t step) {
  Outcome outcome;
  std::vector<Header> headers;
  HttpParser<kRequest> parser(headers, 20);
  parser.limit_body(kBodyLimit);
  outcome.fault = parser.parse_head(head);
  if (outcome.fault != ParseFault::kNone) return outcome;
  for (const Header& header : headers) {
    require(header.name.data() >= head.data() && header.value.size() <= head.size());
    require(valid_header(header));
  }
  if (kRequest) {
    require(!parser.method().empty() && !parser.target().empty());
  } else {
    require(parser.status() >= 0 && parser.status() <= 999);
  }
  std::string waiting;
  while (!parser.is_done()) {
    const std::size_t size = std::min(step, rest.size());
    if (size == 0) break;
    waiting += rest.substr(0, size);
    rest.remove_prefix(size);
    // Exactly as large as what is there, so that a read past it is seen.
    const auto bytes = std::make_unique<char[]>(waiting.size());
    std::memcpy(bytes.get(), waiting.data(), waiting.size());
    const char* raw = bytes.get();
    const char* const raw_end = raw + waiting.size();
    char* out = bytes.get();
    outcome.fault = parser.decode(raw, raw_end, out);
    require(raw <= raw_end && out <= raw);
    outcome.body.append(bytes.get(), out);
    if (outcome.fault != ParseFault::kNone) return outcome;
    for (const Header& trailer : parser.trailers()) outcome.trailers.emplace_back(trailer.name);
    waiting.assign(raw, raw_end);
  }
  require(outcome.body.size() <= kBodyLimit);
  outcome.done = parser.is_done();
  return outcome;
}

template <bool kRequest>
void compare(std::string_view message, std::size_t step) {
  const std::size_t end = find_head_end(message, 0);
  if (end == 0) return;
  require(end <= message.size());
  // The end is found no matter where the search for it began, up to its own last bytes.
  require(find_head_end(message, end > 4 ? end - 4 : 0) == end);
  const std::string head(message.substr(0, end));
  const Outcome whole = parse<kRequest>(head, message.substr(end), message.size());
  const Outcome pieces = parse<kRequest>(head, message.substr(end), step);
  // Refused in pieces is refused whole; which fault of several is seen first may differ.
  require((whole.fault == ParseFault::kNone) == (pieces.fault == ParseFault::kNone));
  if (whole.fault != ParseFault::kNone) return;
  require(whole.done == pieces.done);
  if (whole.done) require(whole.body == pieces.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = kSteps[(data[0] >> 1) % kSteps.size()];
  if (data[0] % 2 == 0) {
    compare<true>(message, step);
  } else {
    compare<false>(message, step);
  }
  return 0;
}
