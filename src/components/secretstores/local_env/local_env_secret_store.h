// secretstores.local.env: the environment variables of this process, as Dapr's store of that name gives them
// (https://docs.dapr.io/reference/components-reference/supported-secret-stores/envvar-secret-store/).
//
// A variable that is not there, and one that Dapr guards (APP_API_TOKEN, DAPR_…), is an empty value and no error. Any
// thread, nothing blocks; completions run in place.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "blocks/secrets/secret_store.h"

namespace tandem::components {

class LocalEnvSecretStore final : public secrets::Store {
 public:
  // `warn` hears of guarded variables that were asked for; may be empty.
  LocalEnvSecretStore(std::string prefix, std::function<void(const std::string&)> warn);

  secrets::Features features() const override { return {}; }
  void get(const CallContext& context, std::string name, Metadata metadata, Completion<secrets::Secret> done) override;
  void bulk_get(const CallContext& context, Metadata metadata, Completion<secrets::Secrets> done) override;

 private:
  const std::string prefix_;
  const std::function<void(const std::string&)> warn_;
};

}  // namespace tandem::components
