// An app's Dapr port without the socket: the HTTP API over the blocks under test, with a worker of its own.
//
// Any one thread at a time. Outlived by the services.
#pragma once

#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "exchanges.h"
#include "thread_loop.h"

namespace tandem::conformance {

class DaprPort final : private api::http::MetadataSource, private api::http::HealthSource {
 public:
  DaprPort(std::string app_id, state::StateService& state, pubsub::PubsubService& pubsub);

  Result<Answer> ask(std::string method, std::string target, std::string body, net::OwnedHeaders headers);
  // The same; an answer of 400 and more is a failure with the reason and message of its body.
  Result<Answer> call(std::string method, std::string target, std::string body, net::OwnedHeaders headers);

 private:
  api::http::AppMetadata describe(std::string_view) const override { return {}; }
  std::vector<std::string> unready(std::string_view) const override { return {}; }
  void check_outbound(state::Caller, Completion<void> done) override { done({}); }

  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  bindings::BindingService bindings_{{}};
  invoke::InvokeService invoke_;
  api::http::AppLabels labels_;
  api::http::DaprApi api_;
  ThreadLoop worker_;  // ends before what runs on it
};

// As a failure: {"errorCode":…,"message":…}.
Error error_of(const Answer& answer);

// For a segment of a path, or a part of a query.
std::string percent_encode(std::string_view text);

}  // namespace tandem::conformance
