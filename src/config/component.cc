#include "config/component.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/uuid.h"
#include "config/text.h"

namespace tandem::config {
namespace {

bool environment_variable_allowed(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return !upper.empty() && upper != "APP_API_TOKEN" && !upper.starts_with("DAPR_") &&
         upper.find(' ') == std::string::npos && upper.find('=') == std::string::npos;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

std::string_view Component::block() const {
  std::string_view view = type;
  return view.substr(0, view.find('.'));
}

bool Component::visible_to(std::string_view app_id) const {
  return scopes.empty() || std::find(scopes.begin(), scopes.end(), app_id) != scopes.end();
}

const MetadataItem* Component::find(std::string_view item_name) const {
  for (auto item = metadata.rbegin(); item != metadata.rend(); ++item) {
    if (equals_ignoring_case(item->name, item_name)) return &*item;
  }
  return nullptr;
}

SecretResolver environment_secrets() {
  return [](const std::string& store, const SecretKeyRef& ref) -> Result<std::string> {
    if (!store.empty() && store != "local.env") {
      return fail(Code::kNotFound, fmt::format("there is no secret store \"{}\"; without auth.secretStore secrets are "
                                               "read from the environment",
                                               printable(store)));
    }
    const std::string& variable = ref.key.empty() ? ref.name : ref.key;
    if (!environment_variable_allowed(variable)) {
      return fail(Code::kPermissionDenied,
                  fmt::format("the environment variable \"{}\" cannot be used as a secret", printable(variable)));
    }
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr) {
      return fail(Code::kNotFound, fmt::format("the environment variable \"{}\" is not set", printable(variable)));
    }
    return std::string(value);
  };
}

void resolve_secrets(Component& component, const SecretResolver& resolver, Diagnostics& diagnostics) {
  for (MetadataItem& item : component.metadata) {
    if (item.env_ref) {
      const char* value = nullptr;
      if (!environment_variable_allowed(*item.env_ref)) {
        diagnostics.error(component.position(item),
                          fmt::format("{}: envRef \"{}\" names a variable that is not allowed", printable(item.name),
                                      printable(*item.env_ref)));
      } else if (value = std::getenv(item.env_ref->c_str()); value == nullptr) {
        diagnostics.warning(component.position(item),
                            fmt::format("{}: the environment variable \"{}\" is not set; the value is empty",
                                        printable(item.name), printable(*item.env_ref)));
      }
      item.value = value ? value : "";
    } else if (item.secret_key_ref) {
      auto secret = resolver(component.secret_store, *item.secret_key_ref);
      if (secret) {
        item.value = std::move(*secret);
      } else {
        diagnostics.error(component.position(item), fmt::format("component \"{}\", {}: {}", printable(component.name),
                                                                printable(item.name), secret.error().message));
      }
    }
  }
}

void expand_templates(Component& component, const TemplateValues& values) {
  for (MetadataItem& item : component.metadata) {
    if (item.value.find('{') == std::string::npos) continue;
    for (auto at = item.value.find("{uuid}"); at != std::string::npos; at = item.value.find("{uuid}", at)) {
      item.value.replace(at, 6, random_uuid());
    }
    replace_all(item.value, "{podName}", values.pod_name);
    replace_all(item.value, "{namespace}", values.namespace_name + "." + values.app_id);
    replace_all(item.value, "{appID}", values.app_id);
  }
}

}  // namespace tandem::config
