// What a configuration store plug-in implements. One object a Component, shared by every app that may use it.
//
// Source: https://docs.dapr.io/reference/api/configuration_api/ and the configuration store contract of Dapr's
// components-contrib. Called from any worker at once. A completion runs before the call returns, or later on any
// thread; ConfigurationService brings it back to the caller's worker.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"

namespace tandem::configuration {

// What a key has. An empty one in an update: the key is gone.
struct Item {
  std::string value;
  std::string version;  // empty: none
  Metadata metadata;
};
using Items = std::map<std::string, Item, std::less<>>;

// Hears of changes. Any thread.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void changed(Items items) = 0;
};

struct SubscribeRequest {
  std::string id;                 // of the subscription, unique in the process
  std::vector<std::string> keys;  // empty: all
  Metadata metadata;
};

class Store {
 public:
  virtual ~Store() = default;

  // No keys: all. Keys that are not there, or have no value, are not among the items.
  virtual void get(const CallContext& context, std::vector<std::string> keys, Metadata metadata,
                   Completion<Items> done) = 0;
  // After `done` has come without an error every change is told to `watcher`, until unsubscribe(): at least the last
  // value of a key that changes often.
  virtual void subscribe(const CallContext& context, SubscribeRequest request, std::shared_ptr<Watcher> watcher,
                         Completion<void> done) = 0;
  // A subscription that the store does not know is none: success.
  virtual void unsubscribe(const CallContext& context, std::string id, Completion<void> done) = 0;

  // Nothing is called after it. Blocks at most until `deadline`.
  virtual void close(SteadyTime /*deadline*/) {}
};

}  // namespace tandem::configuration
