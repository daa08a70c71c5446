#include "server/resource_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tandem::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

config::Resources read(const std::string& text) {
  config::Diagnostics diagnostics;
  config::Resources resources;
  config::parse_resources(text, "all.yaml", resources, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.to_string(config::Severity::kError);
  return resources;
}

std::string component(const std::string& name, const std::string& value) {
  return "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + name +
         "}\nspec:\n  type: state.sqlite\n  version: v1\n  metadata: [{name: connectionString, value: " + value +
         "}]\n";
}

std::string endpoint(const std::string& url) {
  return "---\napiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: api}\nspec: {baseUrl: \"" + url +
         "\"}\n";
}

std::string subscription(const std::string& route) {
  return "---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: orders}\nspec:\n  pubsubname: "
         "pubsub\n"
         "  topic: orders\n  routes: {default: " +
         route + "}\n";
}

template <class Resource>
std::vector<std::string> names(const std::vector<Resource>& all) {
  std::vector<std::string> names;
  for (const Resource& one : all) names.push_back(one.name);
  return names;
}

TEST(ResourceChangesTest, ComponentsComeChangeAndGo) {
  const auto before = read(component("same", "a") + component("other", "a") + component("gone", "a"));
  const auto changes =
      changes_between(before, read(component("new", "a") + component("other", "b") + component("same", "a")));
  EXPECT_THAT(changes.removed_components, ElementsAre("gone"));
  EXPECT_THAT(names(changes.changed_components), ElementsAre("other"));
  EXPECT_THAT(names(changes.new_components), ElementsAre("new"));
  EXPECT_FALSE(changes.subscriptions);
  EXPECT_THAT(changes.whole, IsEmpty());
}

TEST(ResourceChangesTest, CommentsPlacesAndTheOrderOfKeysAreNoChange) {
  const std::string text = component("one", "a") + subscription("/x") + endpoint("http://a");
  EXPECT_TRUE(changes_between(read(text), read("# more\n\n" + text)).empty());
  const std::string turned =
      "kind: Component\napiVersion: dapr.io/v1alpha1\nspec:\n  version: v1\n  type: state.sqlite\n"
      "  metadata:\n    - value: a\n      name: connectionString\nmetadata: {name: one}\n";
  EXPECT_TRUE(changes_between(read(component("one", "a")), read(turned)).empty());
}

TEST(ResourceChangesTest, SubscriptionsAreLookedAtTogether) {
  EXPECT_TRUE(changes_between(read(subscription("/x")), read(subscription("/y"))).subscriptions);
  EXPECT_TRUE(changes_between(read(""), read(subscription("/y"))).subscriptions);
  EXPECT_TRUE(changes_between(read(subscription("/y")), read("")).subscriptions);
}

TEST(ResourceChangesTest, AnEndpointOrAPolicyCallsForAWholeReload) {
  EXPECT_THAT(changes_between(read(endpoint("http://a")), read("# line\n" + endpoint("http://b"))).whole,
              ElementsAre("HTTPEndpoint api (all.yaml:3)"));
  EXPECT_THAT(changes_between(read(endpoint("http://a")), read("")).whole,
              ElementsAre("HTTPEndpoint api (all.yaml:2)"));
  const std::string policies =
      "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: calm}\nspec: {policies: {timeouts: {t: 5s}}}\n";
  EXPECT_THAT(changes_between(read(""), read(policies)).whole, ElementsAre("Resiliency calm (all.yaml:1)"));
}

TEST(ResourceChangesTest, AStoreOfActorsIsKnown) {
  const auto marked = read(
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: one}\nspec:\n  type: state.sqlite\n"
      "  version: v1\n  metadata: [{name: ActorStateStore, value: \"true\"}]\n");
  EXPECT_TRUE(is_actor_store(marked.components.front()));
  EXPECT_FALSE(is_actor_store(read(component("one", "a")).components.front()));
}

}  // namespace
}  // namespace tandem::server
