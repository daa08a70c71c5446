#include "components/grpc/component_error.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/number.h"
#include "blocks/rpc_status.h"
#include "blocks/state/state_store.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::components::grpc {
namespace {

using ::grpc::StatusCode;

// The one detail of a status, when it is one of that type.
template <class Detail>
std::optional<Detail> only_detail(const ::grpc::Status& status) {
  google::rpc::Status rich;
  Detail detail;
  if (status.error_details().empty() || !rich.ParseFromString(status.error_details())) return std::nullopt;
  if (rich.details_size() != 1 || !rich.details(0).UnpackTo(&detail)) return std::nullopt;
  return detail;
}

// What is wrong with the ETag.
std::optional<std::string> etag_violation(const ::grpc::Status& status) {
  const auto detail = only_detail<google::rpc::BadRequest>(status);
  if (!detail || detail->field_violations_size() != 1 || detail->field_violations(0).field() != "etag") {
    return std::nullopt;
  }
  return detail->field_violations(0).description();
}

}  // namespace

Error component_error(const ::grpc::Status& status) {
  return make_error(static_cast<Code>(static_cast<int>(status.error_code())),
                    rpc_text(status.error_code(), status.error_message()));
}

Error write_error(const ::grpc::Status& status) {
  if (status.error_code() == StatusCode::FAILED_PRECONDITION) {
    if (const auto why = etag_violation(status)) return state::etag_mismatch(*why);
  }
  if (status.error_code() == StatusCode::INVALID_ARGUMENT) {
    if (const auto why = etag_violation(status)) return state::etag_invalid(*why);
  }
  Error error = component_error(status);
  // These codes mean an ETag to whoever reads the error.
  if (error.code == Code::kAborted || error.code == Code::kInvalidArgument) error.code = Code::kInternal;
  return error;
}

Error bulk_delete_error(const ::grpc::Status& status) {
  if (status.error_code() != StatusCode::INTERNAL) return write_error(status);
  const auto info = only_detail<google::rpc::ErrorInfo>(status);
  if (!info) return write_error(status);
  const auto rows = [&](const char* name) -> std::optional<std::int64_t> {
    const auto found = info->metadata().find(name);
    if (found == info->metadata().end()) return std::nullopt;
    return parse_number<std::int64_t>(found->second);
  };
  const auto expected = rows("expected");
  const auto affected = rows("affected");
  if (!expected || !affected) return write_error(status);
  return make_error(Code::kInternal, fmt::format("delete affected only {} rows, expected {}", *affected, *expected));
}

}  // namespace tandem::components::grpc
