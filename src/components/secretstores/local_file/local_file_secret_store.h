// secretstores.local.file: the values of a JSON file, as Dapr's store of that name gives them
// (https://docs.dapr.io/reference/components-reference/supported-secret-stores/file-secret-store/).
//
// A nested value is called by the names on the way to it: {"db":{"hosts":["a"]}} is the secret "db:hosts:0", or with
// multiValued the key "hosts:0" of the secret "db". Numbers and booleans are the text of the file, null is empty. The
// file is read once. Any thread; completions run in place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "blocks/secrets/secret_store.h"

namespace tandem::components {

struct LocalFileSecretOptions {
  std::string secrets_file;
  std::string nested_separator = ":";
  bool multi_valued = false;
  // Hears of values that multiValued leaves out; may be empty.
  std::function<void(const std::string&)> warn;
};

class LocalFileSecretStore final : public secrets::Store {
 public:
  // Fails with kInvalidArgument: the file cannot be read, is no object in JSON, is nested too deep, or has two values
  // of one name.
  static Result<std::unique_ptr<LocalFileSecretStore>> open(const LocalFileSecretOptions& options);

  secrets::Features features() const override { return {.multiple_values = multi_valued_}; }
  void get(const CallContext& context, std::string name, Metadata metadata, Completion<secrets::Secret> done) override;
  void bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) override;

 private:
  LocalFileSecretStore(secrets::Secrets all, bool multi_valued) : all_(std::move(all)), multi_valued_(multi_valued) {}

  const secrets::Secrets all_;
  const bool multi_valued_;
};

}  // namespace tandem::components
