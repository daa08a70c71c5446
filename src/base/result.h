// Result<T>: a value or an Error; Status: success or an Error. Ignoring either is a compile error (-Werror).
#pragma once

#include <expected>

#include "base/error.h"

namespace tandem {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// `return fail(Code::kNotFound, "…");` from any function that returns a Result or Status.
inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected(Error{code, {}, std::move(message)});
}
inline std::unexpected<Error> fail(Code code, std::string reason, std::string message) {
  return std::unexpected(Error{code, std::move(reason), std::move(message)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace tandem
