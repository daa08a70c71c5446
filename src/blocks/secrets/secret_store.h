// What a secret store plug-in implements. One object a Component, shared by every app that may use it.
//
// Source: https://docs.dapr.io/reference/api/secrets_api/ and the secret store contract of Dapr's components-contrib.
// Called from any worker at once, and from the server's thread while components are made. A completion runs before the
// call returns, or later on any thread; SecretService brings it back to the caller's worker.
#pragma once

#include <map>
#include <string>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"

namespace tandem::secrets {

// One secret: its keys and their values. A store with one value a secret gives it the secret's own name as key.
using Secret = Metadata;
using Secrets = std::map<std::string, Secret, std::less<>>;

struct Features {
  bool multiple_values = false;  // a secret may have more than one key
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Features features() const = 0;
  // What a secret that is not there gives is the store's decision, as in Dapr: an error, or an empty value. `metadata`
  // is the request's.
  virtual void get(const CallContext& context, std::string name, Metadata metadata, Completion<Secret> done) = 0;
  virtual void bulk_get(const CallContext& context, Metadata metadata, Completion<Secrets> done) = 0;

  // Nothing is called after it. Blocks at most until `deadline`.
  virtual void close(SteadyTime /*deadline*/) {}
};

}  // namespace tandem::secrets
