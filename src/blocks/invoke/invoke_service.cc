#include "blocks/invoke/invoke_service.h"

#include <utility>

namespace tandem::invoke {

Status InvokeService::add(std::string app_id, Endpoint& endpoint) {
  if (app_id.empty()) return fail(Code::kInvalidArgument, "an app needs an app id");
  const auto [at, added] = endpoints_.emplace(std::move(app_id), &endpoint);
  if (!added) return fail(Code::kAlreadyExists, "two apps have the app id \"" + at->first + "\"");
  return {};
}

Result<Endpoint*> InvokeService::resolve(std::string_view app_id) const {
  if (app_id.empty()) {
    return fail(Code::kNotFound, "ERR_DIRECT_INVOKE",
                "failed getting app id either from the URL path or the header dapr-app-id");
  }
  const auto found = endpoints_.find(app_id);
  if (found != endpoints_.end()) return found->second;
  const std::string id(app_id);
  return fail(Code::kNotFound, "ERR_DIRECT_INVOKE",
              "failed to invoke, id: " + id + ", err: couldn't find service: " + id);
}

std::vector<std::string> InvokeService::app_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, endpoint] : endpoints_) ids.push_back(id);
  return ids;
}

}  // namespace tandem::invoke
