// Component: a Dapr component resource (https://docs.dapr.io/reference/resource-specs/component-schema/) as typed data.
//
// Plain values made by resource_loader.h; whoever loads them owns them. Any thread while nobody writes. The functions
// report mistakes to Diagnostics and never throw.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostics.h"

namespace tandem::config {

// A value kept in a secret store: the secret's name, and the key in it.
struct SecretKeyRef {
  std::string name;
  std::string key;
};

struct MetadataItem {
  std::string name;
  // What the component sees. Strings as they are; numbers and booleans as JSON spells them; lists and maps as JSON
  // text. Empty for a reference until resolve_secrets() has run.
  std::string value;
  std::optional<SecretKeyRef> secret_key_ref;
  // Name of an environment variable of this process.
  std::optional<std::string> env_ref;
  int line = 0;
  int column = 0;
};

struct Component {
  static constexpr std::chrono::milliseconds kDefaultInitTimeout{5000};

  std::string name;
  std::string type;  // "state.sqlite"
  std::string version = "v1";
  std::vector<MetadataItem> metadata;
  // App ids that may use it; empty means every app.
  std::vector<std::string> scopes;
  bool ignore_errors = false;
  std::chrono::nanoseconds init_timeout = kDefaultInitTimeout;
  // auth.secretStore; empty means the default store.
  std::string secret_store;
  // The document as JSON, secrets that are written in it included: what tells a changed resource from one that is the
  // same. Not for the log.
  std::string content;
  std::string file;
  int line = 0;

  // "state" of "state.sqlite": which building block it belongs to.
  std::string_view block() const;
  bool visible_to(std::string_view app_id) const;
  // Names compare without regard to case, as in Dapr. The last one of several wins.
  const MetadataItem* find(std::string_view name) const;
  Position position() const { return {file, line, 0}; }
  Position position(const MetadataItem& item) const { return {file, item.line, item.column}; }
};

// Finds a secret's value. `store` is the component's auth.secretStore, possibly empty. Must not throw.
using SecretResolver = std::function<Result<std::string>(const std::string& store, const SecretKeyRef& ref)>;

// Reads secrets from this process's environment, for resources that name no secret store: the variable is the
// reference's key when it has one, else its name. Variables that Dapr guards (DAPR_…, APP_API_TOKEN) are refused.
// Answers for an empty store name and for "local.env"; other stores are kNotFound.
SecretResolver environment_secrets();

// Fills in the values of secretKeyRef (through `resolver`) and envRef (this process's environment).
void resolve_secrets(Component& component, const SecretResolver& resolver, Diagnostics& diagnostics);

// What Dapr's metadata templates stand for: {appID}, {namespace}, {podName}; {uuid} is fresh each time.
struct TemplateValues {
  std::string app_id;
  std::string namespace_name = "default";
  std::string pod_name;
};
void expand_templates(Component& component, const TemplateValues& values);

}  // namespace tandem::config
