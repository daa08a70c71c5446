#include "api/grpc/method_access.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tandem::api::grpc {
namespace {

const std::string kService = "/dapr.proto.runtime.v1.Dapr/";

std::string name_of(const std::string& method) {
  const ApiName api = api_of(kService + method);
  return std::string(api.name) + "." + api.version;
}

config::ApiAccess access(std::vector<config::ApiRule> allowed, std::vector<config::ApiRule> denied) {
  config::Configuration configuration;
  configuration.api_allowed = std::move(allowed);
  configuration.api_denied = std::move(denied);
  return config::ApiAccess(configuration, "grpc");
}

TEST(MethodAccessTest, MethodsHaveDaprdsNames) {
  const std::pair<std::string, std::string> names[] = {
      {"InvokeService", "invoke.v1"},
      {"GetBulkState", "state.v1"},
      {"ExecuteStateTransaction", "state.v1"},
      {"QueryStateAlpha1", "state.v1alpha1"},
      {"BulkPublishEvent", "publish.v1"},
      {"BulkPublishEventAlpha1", "publish.v1alpha1"},
      {"InvokeBinding", "bindings.v1"},
      {"GetBulkSecret", "secrets.v1"},
      {"ExecuteActorStateTransaction", "actors.v1"},
      {"InvokeActor", "actors.v1"},
      {"SubscribeActorEventsAlpha1", "actors.v1alpha1"},
      {"SetMetadata", "metadata.v1"},
      {"SubscribeConfigurationAlpha1", "configuration.v1alpha1"},
      {"UnsubscribeConfiguration", "configuration.v1"},
      {"TryLockAlpha1", "lock.v1alpha1"},
      {"UnlockAlpha1", "unlock.v1alpha1"},
      {"SubtleEncryptAlpha1", "subtlecrypto.v1alpha1"},
      {"DecryptAlpha1", "crypto.v1alpha1"},
      {"RaiseEventWorkflowBeta1", "workflows.v1beta1"},
      {"GetWorkflowAlpha1", "workflows.v1alpha1"},
      {"ListJobs", "jobs.v1"},
      {"DeleteJobsByPrefixAlpha1", "jobs.v1alpha1"},
      {"Shutdown", "shutdown.v1"},
      {"SubscribeTopicEventsAlpha1", "subscribe.v1alpha1"},
      {"ConverseAlpha2", "conversation.v1alpha2"},
  };
  for (const auto& [method, name] : names) EXPECT_EQ(name_of(method), name) << method;
  EXPECT_EQ(api_of(kService + "Unheard").name, "");
}

TEST(MethodAccessTest, WhatIsAllowedIsAllThereIs) {
  const auto state = access({{"state", "v1", "grpc"}, {"publish", "v1", "http"}}, {});
  EXPECT_TRUE(is_allowed(state, kService + "GetState"));
  EXPECT_FALSE(is_allowed(state, kService + "QueryStateAlpha1"));
  EXPECT_FALSE(is_allowed(state, kService + "PublishEvent"));
  EXPECT_FALSE(is_allowed(state, kService + "Unheard"));
  EXPECT_TRUE(is_allowed(state, "/own.Service/Do"));
}

TEST(MethodAccessTest, WhatIsDeniedIsNotThere) {
  const auto both = access({{"state", "v1", "grpc"}}, {{"state", "v1", "grpc"}});
  EXPECT_FALSE(is_allowed(both, kService + "GetState"));
  const auto shutdown = access({}, {{"shutdown", "v1", "grpc"}});
  EXPECT_FALSE(is_allowed(shutdown, kService + "Shutdown"));
  EXPECT_TRUE(is_allowed(shutdown, kService + "GetState"));
  EXPECT_TRUE(is_allowed(access({{"state", "v1", "http"}}, {}), kService + "Shutdown"));
}

}  // namespace
}  // namespace tandem::api::grpc
