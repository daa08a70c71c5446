#include "app/grpc/rpc_error.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "base/json.h"
#include "blocks/rpc_status.h"
// The known details are linked with the messages of these files.
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::app::grpc {
namespace {

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
  return tandem::rpc_text(status.error_code(), status.error_message());
}

Error rpc_error(const ::grpc::Status& status) {
  const auto code = static_cast<Code>(static_cast<int>(status.error_code()));
  return make_error(code == Code::kCancelled ? Code::kUnavailable : code, rpc_text(status));
}

std::string rpc_json(const ::grpc::Status& status) {
  std::string json = fmt::format(R"({{"code":{},"message":)", static_cast<int>(status.error_code()));
  append_json_string(json, status.error_message());
  add_details(json, status);
  return json + "}";
}

}  // namespace tandem::app::grpc
