// Dapr's nameresolution.nameformat: an address for each app id by a pattern, "dapr-{appid}.example.com:50002".
//
// Owned by the server. Any thread; resolve() always completes in place.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "blocks/invoke/name_resolver.h"

namespace tandem::components {

class NameFormatResolver final : public invoke::NameResolver {
 public:
  // `format` has {appid} in it.
  explicit NameFormatResolver(std::string format) : format_(std::move(format)) {}

  void resolve(std::string_view app_id, std::string_view name_space, TimedExecutor& on,
               Completion<std::string> done) override;

 private:
  const std::string format_;
};

}  // namespace tandem::components
