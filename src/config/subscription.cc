#include "config/subscription.h"

#include <algorithm>

namespace tandem::config {

bool Subscription::visible_to(std::string_view app_id) const {
  return scopes.empty() || std::find(scopes.begin(), scopes.end(), app_id) != scopes.end();
}

}  // namespace tandem::config
