#include "blocks/sidecar/app_metadata.h"

#include <fmt/format.h>

#include <utility>

namespace tandem::sidecar {

Status AppLabels::set(std::string key, std::string value) {
  const std::scoped_lock lock(mutex_);
  if (labels_.size() >= kMaxLabels && !labels_.contains(key)) {
    return fail(Code::kResourceExhausted, "ERR_BAD_REQUEST",
                fmt::format("invalid request: an app has at most {} metadata labels", kMaxLabels));
  }
  labels_.insert_or_assign(std::move(key), std::move(value));
  return {};
}

Metadata AppLabels::all() const {
  const std::scoped_lock lock(mutex_);
  return labels_;
}

}  // namespace tandem::sidecar
