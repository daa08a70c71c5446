// Bytes that are shared without copying: a stored value, on its way to a guest's memory or a socket.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tandem {

// Immutable and reference counted, any thread. Null means "no value", which is not the same as an empty one.
using SharedBytes = std::shared_ptr<const std::string>;

inline SharedBytes share(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

// Dapr's request and component metadata: free-form names and values.
using Metadata = std::map<std::string, std::string, std::less<>>;

}  // namespace tandem
