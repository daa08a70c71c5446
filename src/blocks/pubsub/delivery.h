// One message on its way from a broker to an app: opened, checked, handed over, and what follows from the app's answer.
//
// PubsubService makes a Delivering for each subscription; the broker's handler shares it. Runs on the broker's thread,
// the end of it where the app's answer comes. Never fails: every end is a Verdict.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "blocks/pubsub/cloud_event.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/pubsub/routing.h"

namespace tandem::pubsub {

struct Delivering {
  std::string app_id;
  std::string pubsub;
  Routes routes;
  std::string dead_letter_topic;  // "" for none
  bool raw_payload = false;
  Broker& broker;
  EventSink& sink;
  std::shared_ptr<StreamSink> stream;  // keeps a sink that is one
  std::optional<Logger> log;           // the app's
  DeliveryGuard* guard = nullptr;      // null: none
};

void deliver(std::shared_ptr<const Delivering> delivering, Message message, Completion<Verdict> done);

// The steps of it, for messages that go to the app together.
//
// What the message's envelope says; none: it is not to be delivered (it is no envelope, or its time is over), and the
// log knows.
std::optional<EventFacts> open_envelope(const Delivering& delivering, const Message& message);
// Where a message goes, by what the rules see of it; null: nowhere. Fails as Routes::find() does; the log knows. `id`:
// the event's, for the log.
Result<const std::string*> route_of(const Delivering& delivering, const Message& message, std::string_view event,
                                    EventForm form, std::string_view id);
// Ends a message that the app does not take: in the dead-letter topic when there is one, else with `otherwise`.
void give_up(const std::shared_ptr<const Delivering>& delivering, const Message& message, Verdict otherwise,
             Completion<Verdict> done);
// What follows from the app's verdict.
void settle(const std::shared_ptr<const Delivering>& delivering, const Message& message, const Result<Verdict>& verdict,
            Completion<Verdict> done);

}  // namespace tandem::pubsub
