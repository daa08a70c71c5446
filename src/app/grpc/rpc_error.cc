#include "app/grpc/rpc_error.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <string_view>

#include "base/json.h"
// The known details are linked with the messages of these files.
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::app::grpc {
namespace {

struct Meaning {
  std::string_view name;  // Go's
  int http = 500;
};

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

const Meaning& meaning_of(::grpc::StatusCode code) {
  static constexpr Meaning kOther{"Unknown", 500};
  const auto index = static_cast<std::size_t>(code);
  return index < kMeanings.size() ? kMeanings[index] : kOther;
}

void add_details(std::string& json, const ::grpc::Status& status) {
  google::rpc::Status rich;
  if (status.error_details().empty() || !rich.ParseFromString(status.error_details())) return;
  std::string list;
  for (const google::protobuf::Any& detail : rich.details()) {
    std::string text;
    if (!google::protobuf::util::MessageToJsonString(detail, &text).ok()) continue;
    list.append(list.empty() ? "" : ",").append(text);
  }
  if (!list.empty()) json.append(R"(,"details":[)").append(list).append("]");
}

}  // namespace

std::string rpc_text(const ::grpc::Status& status) {
  return fmt::format("rpc error: code = {} desc = {}", meaning_of(status.error_code()).name, status.error_message());
}

Error rpc_error(const ::grpc::Status& status) {
  const auto code = static_cast<Code>(static_cast<int>(status.error_code()));
  return make_error(code == Code::kCancelled ? Code::kUnavailable : code, rpc_text(status));
}

int http_status_of(::grpc::StatusCode code) { return meaning_of(code).http; }

std::string rpc_json(const ::grpc::Status& status) {
  std::string json = fmt::format(R"({{"code":{},"message":)", static_cast<int>(status.error_code()));
  append_json_string(json, status.error_message());
  add_details(json, status);
  return json + "}";
}

}  // namespace tandem::app::grpc
