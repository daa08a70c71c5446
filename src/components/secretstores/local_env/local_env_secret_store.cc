#include "components/secretstores/local_env/local_env_secret_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace tandem::components {
namespace {

bool is_guarded(std::string_view variable) {
  std::string upper(variable);
  std::ranges::transform(upper, upper.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  return upper == "APP_API_TOKEN" || upper.starts_with("DAPR_");
}

// Null when there is none. A name with a zero byte in it would be looked up without its end.
const char* find_variable(const std::string& name) { return name.contains('\0') ? nullptr : std::getenv(name.c_str()); }

}  // namespace

LocalEnvSecretStore::LocalEnvSecretStore(std::string prefix, std::function<void(const std::string&)> warn)
    : prefix_(std::move(prefix)), warn_(std::move(warn)) {}

void LocalEnvSecretStore::get(const CallContext&, std::string name, Metadata, Completion<secrets::Secret> done) {
  const std::string variable = prefix_ + name;
  const char* value = nullptr;
  if (!is_guarded(variable)) {
    value = find_variable(variable);
  } else if (warn_) {
    warn_(fmt::format("the environment variable {} is not given to anybody", variable));
  }
  secrets::Secret secret;
  secret.emplace(std::move(name), value == nullptr ? "" : value);
  done(std::move(secret));
}

void LocalEnvSecretStore::bulk_get(const CallContext&, Metadata, Completion<secrets::Secrets> done) {
  secrets::Secrets all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view variable = pair.substr(0, equals);
    if (!variable.starts_with(prefix_) || (!prefix_.empty() && variable.size() == prefix_.size())) continue;
    if (is_guarded(variable)) continue;
    const std::string name(variable.substr(prefix_.size()));
    all[name][name] = pair.substr(std::min(equals + 1, pair.size()));
  }
  done(std::move(all));
}

}  // namespace tandem::components
