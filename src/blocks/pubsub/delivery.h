// One message on its way from a broker to an app: opened, checked, handed over, and what follows from the app's answer.
//
// PubsubService makes a Delivering for each subscription; the broker's handler shares it. Runs on the broker's thread,
// the end of it where the app's answer comes. Never fails: every end is a Verdict.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "blocks/pubsub/pubsub_service.h"

namespace tandem::pubsub {

struct Delivering {
  std::string app_id;
  std::string pubsub;
  std::string route;
  std::string dead_letter_topic;  // "" for none
  bool raw_payload = false;
  Broker& broker;
  EventSink& sink;
  std::shared_ptr<StreamSink> stream;  // keeps a sink that is one
  std::optional<Logger> log;           // the app's
};

void deliver(std::shared_ptr<const Delivering> delivering, Message message, Completion<Verdict> done);

}  // namespace tandem::pubsub
