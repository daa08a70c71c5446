#include "blocks/pubsub/topic_scopes.h"

#include <utility>
#include <vector>

#include "base/text.h"

namespace tandem::pubsub {
namespace {

// The value of `name`, without its spaces.
std::string value_of(const Metadata& metadata, std::string_view name) {
  for (const auto& [key, value] : metadata) {
    if (!equals_ignoring_case(key, name)) continue;
    std::string text = value;
    std::erase(text, ' ');
    return text;
  }
  return {};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

TopicScopes::Topics topics_of(std::string_view text) {
  TopicScopes::Topics topics;
  if (text.empty()) return topics;
  for (const std::string_view topic : split(text, ',')) topics.emplace(topic);
  return topics;
}

// "app1=topic1,topic2;app2=" : app2 has a scope with the topic "", so it may use none.
std::map<std::string, TopicScopes::Topics, std::less<>> scopes_of(std::string_view text) {
  std::map<std::string, TopicScopes::Topics, std::less<>> scopes;
  if (text.empty()) return scopes;
  for (const std::string_view item : split(text, ';')) {
    const std::vector<std::string_view> parts = split(item, '=');
    if (parts.size() < 2) continue;
    for (const std::string_view topic : split(parts[1], ',')) scopes[std::string(parts[0])].emplace(topic);
  }
  return scopes;
}

}  // namespace

static bool allowed_by(const TopicScopes& all, const std::map<std::string, TopicScopes::Topics, std::less<>>& scopes,
                       std::string_view app_id, std::string_view topic) {
  if (!all.allowed.empty() && !all.allowed.contains(topic)) return false;
  const auto scope = scopes.find(app_id);
  if (scope == scopes.end()) return !all.protected_ones.contains(topic);
  return scope->second.contains(topic);
}

bool TopicScopes::may_publish(std::string_view app_id, std::string_view topic) const {
  return allowed_by(*this, publishing, app_id, topic);
}

bool TopicScopes::may_subscribe(std::string_view app_id, std::string_view topic) const {
  return allowed_by(*this, subscription, app_id, topic);
}

TopicScopes parse_topic_scopes(const Metadata& metadata) {
  return {.allowed = topics_of(value_of(metadata, "allowedtopics")),
          .protected_ones = topics_of(value_of(metadata, "protectedtopics")),
          .publishing = scopes_of(value_of(metadata, "publishingscopes")),
          .subscription = scopes_of(value_of(metadata, "subscriptionscopes"))};
}

}  // namespace tandem::pubsub
