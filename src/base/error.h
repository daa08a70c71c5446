// The one error of the project: a canonical code, a reason that programs match on, and a message for people.
//
// `code` is one of gRPC's canonical codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). `reason` is the
// name that Dapr gives the failure ("ERR_STATE_STORE_NOT_FOUND"), empty where Dapr has none. Each door maps an Error to
// its wire in exactly one place. Plain values: any thread, never throws.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace tandem {

enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

struct Error {
  Code code = Code::kInternal;
  std::string reason;
  std::string message;
};

// The canonical upper-case name of a code, as gRPC prints it ("NOT_FOUND").
std::string_view code_name(Code code);

// An error without a Dapr reason.
inline Error make_error(Code code, std::string message) { return Error{code, {}, std::move(message)}; }

}  // namespace tandem
