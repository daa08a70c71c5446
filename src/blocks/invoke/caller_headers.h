// The headers of an invocation that say who calls whom. They are the caller's door's to set, never the caller's own.
//
// Constants and a plain function. Any thread, never throws.
#pragma once

#include <array>
#include <string_view>

#include "net/http.h"

namespace tandem::invoke {

inline constexpr std::string_view kAppId = "dapr-app-id";
inline constexpr std::string_view kCallerAppId = "dapr-caller-app-id";
inline constexpr std::string_view kCalleeAppId = "dapr-callee-app-id";
inline constexpr std::string_view kCallerNamespace = "dapr-caller-namespace";

inline bool says_who_calls(std::string_view name) {
  constexpr std::array kNames = {kAppId, kCallerAppId, kCalleeAppId, kCallerNamespace};
  return net::is_one_of(name, kNames);
}

}  // namespace tandem::invoke
