#include <memory>
#include <string>
#include <utility>

#include "components/built_in.h"
#include "components/component_schemas.h"
#include "components/secretstores/local_env/local_env_secret_store.h"
#include "components/secretstores/local_file/local_file_secret_store.h"

namespace tandem::components {
namespace {

using config::MetadataReader;

Result<std::unique_ptr<secrets::Store>> make_local_env_secrets(const Making& making) {
  return std::make_unique<LocalEnvSecretStore>(making.metadata.get_string("prefix"),
                                               warner(making, "tandem.secretstores.local.env"));
}

Result<std::unique_ptr<secrets::Store>> make_local_file_secrets(const Making& making) {
  const MetadataReader& metadata = making.metadata;
  LocalFileSecretOptions options{.secrets_file = metadata.get_string("secretsFile"),
                                 .multi_valued = metadata.get_bool("multiValued"),
                                 .warn = warner(making, "tandem.secretstores.local.file")};
  if (std::string separator = metadata.get_string("nestedSeparator"); !separator.empty()) {
    options.nested_separator = std::move(separator);
  }
  Result<std::unique_ptr<LocalFileSecretStore>> store = LocalFileSecretStore::open(options);
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

// The list: a line a component.
const BuiltInSecretStore kSecretStores[] = {
    {kLocalEnvSecretsSchema, "secretstores.local.env", make_local_env_secrets},
    {kLocalFileSecretsSchema, "secretstores.local.file", make_local_file_secrets},
};

}  // namespace

std::span<const BuiltInSecretStore> built_in_secret_stores() { return kSecretStores; }

}  // namespace tandem::components
