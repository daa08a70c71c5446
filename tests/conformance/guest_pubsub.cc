#include "guest_pubsub.h"

#include <optional>
#include <utility>

#include "arrivals.h"
#include "broker_under_test.h"
#include "declarations.h"
#include "guest_door.h"
#include "wire.h"

namespace tandem::conformance {
namespace {

using pubsub::Verdict;

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess: return "success";
    case Verdict::kRetry: return "retry";
    case Verdict::kDrop: return "drop";
  }
  return "unknown";
}

// Media type and metadata.
void put_options(WireWriter& to, const std::string& content_type, const Metadata& metadata) {
  to.put(content_type.empty() ? std::nullopt : std::optional(content_type)).put(metadata);
}

class GuestSubscriber final : public PubsubApp, private pubsub::EventSink {
 public:
  GuestSubscriber(pubsub::PubsubService& service, GuestDoor& door, app::GuestApp& app, std::vector<Verdict> verdicts)
      : service_(service), door_(door), app_(app) {
    WireWriter arguments;
    arguments.put_count(verdicts.size());
    for (const Verdict verdict : verdicts) arguments.put(verdict_name(verdict));
    call("answer-with", arguments);
  }

  Result<void> publish(Event event) override {
    WireWriter arguments;
    arguments.put(std::string_view(event.pubsub)).put(std::string_view(event.topic)).put(std::string_view(event.data));
    put_options(arguments, event.content_type, event.metadata);
    const Result<std::string> answer = door_.call(app_, "publish", arguments.take());
    if (!answer) return fail(answer.error());
    return {};
  }
  // What concerns the call as a whole is said of each event here.
  Result<std::vector<std::string>> publish_many(std::string pubsub, std::string topic, std::vector<BulkEvent> events,
                                                Metadata metadata) override {
    WireWriter arguments;
    arguments.put(std::string_view(pubsub)).put(std::string_view(topic)).put_count(events.size());
    for (BulkEvent& event : events) {
      event.metadata.insert(metadata.begin(), metadata.end());
      arguments.put(std::string_view(event.entry_id)).put(std::string_view(event.data));
      put_options(arguments, event.content_type, event.metadata);
    }
    const Result<std::string> answer = door_.call(app_, "publish-many", arguments.take());
    if (!answer) return fail(answer.error());
    WireReader reader(*answer);
    std::vector<std::string> failed(reader.count());
    for (std::string& entry_id : failed) {
      entry_id = reader.text();
      EXPECT_NE(reader.text(), "") << "the code";
      reader.text();  // the reason: a broker's failure has none
      EXPECT_NE(reader.text(), "") << "the message";
    }
    return failed;
  }
  Status subscribe(config::Subscription subscription) override {
    WireWriter arguments;
    arguments.put(std::string_view(declaration(subscription)));
    call("declare", arguments);
    return subscribe_declared(door_.workers()[0], app_.handler(0), app_.options().app_id, service_, *this);
  }
  std::vector<Received> wait_for(std::size_t count) override {
    arrivals_.wait_for(count);
    WireWriter nothing;
    const std::string answer = call("received", nothing);
    WireReader reader(answer);
    std::vector<Received> all(answer.empty() ? 0 : reader.count());
    for (Received& one : all) {
      one.route = reader.text();
      one.pubsub = reader.text();
      one.content_type = reader.text();
      one.body = reader.text();
    }
    return all;
  }

 private:
  // On its way to the guest, which keeps it; here it is only counted.
  void deliver(pubsub::Delivery delivery, Completion<Verdict> done) override {
    app_.deliver(std::move(delivery), [this, done = std::move(done)](Result<Verdict> verdict) mutable {
      arrivals_.one_more();
      done(std::move(verdict));
    });
  }

  std::string call(std::string_view function, WireWriter& arguments) {
    Result<std::string> answer = door_.call(app_, function, arguments.take());
    EXPECT_TRUE(answer.has_value()) << function << ": " << answer.error().message;
    return std::move(answer).value_or("");
  }

  pubsub::PubsubService& service_;
  GuestDoor& door_;
  app::GuestApp& app_;
  Arrivals arrivals_;
};

class GuestPubsub final : public PubsubDriver {
 public:
  GuestPubsub(std::unique_ptr<BrokerUnderTest> broker, std::unique_ptr<GuestDoor> door)
      : services_{state_, broker->service(), invoke_, bindings_, secrets_, configuration_},
        door_(std::move(door)),
        broker_(std::move(broker)) {}

  const std::string& name() const override { return broker_->name(); }
  PubsubApp& app(std::string app_id, std::vector<Verdict> verdicts) override {
    return *apps_.emplace_back(std::make_unique<GuestSubscriber>(broker_->service(), *door_,
                                                                 door_->app(app_id, services_), std::move(verdicts)));
  }
  void stop_subscriptions() override { broker_->service().stop_subscriptions(); }

 private:
  state::StateService state_{"default"};
  invoke::InvokeService invoke_;
  bindings::BindingService bindings_{bindings::BindingService::Options{}};
  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  host::HostServices services_;
  const std::unique_ptr<GuestDoor> door_;
  std::vector<std::unique_ptr<GuestSubscriber>> apps_;
  const std::unique_ptr<BrokerUnderTest> broker_;  // ends before the apps
};

}  // namespace

std::unique_ptr<PubsubDriver> make_guest_pubsub(const std::string& folder) {
  std::unique_ptr<BrokerUnderTest> broker = BrokerUnderTest::make(folder);
  // The events are kept in the one instance that got them.
  std::unique_ptr<GuestDoor> door = GuestDoor::make(1);
  return broker && door ? std::make_unique<GuestPubsub>(std::move(broker), std::move(door)) : nullptr;
}

}  // namespace tandem::conformance
