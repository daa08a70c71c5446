#include "api/grpc/method_access.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace tandem::api::grpc {
namespace {

constexpr std::string_view kRuntime = "/dapr.proto.runtime.";

// A method by what its name has in it; the first that fits counts.
struct Family {
  std::string_view part;
  std::string_view name;
};
constexpr std::array kFamilies = {
    Family{"Actor", "actors"},
    Family{"Workflow", "workflows"},
    Family{"InvokeService", "invoke"},
    Family{"InvokeBinding", "bindings"},
    Family{"Publish", "publish"},
    Family{"SubscribeTopic", "subscribe"},
    Family{"Secret", "secrets"},
    Family{"Configuration", "configuration"},
    Family{"Metadata", "metadata"},
    Family{"Unlock", "unlock"},
    Family{"TryLock", "lock"},
    Family{"Subtle", "subtlecrypto"},
    Family{"Encrypt", "crypto"},
    Family{"Decrypt", "crypto"},
    Family{"Job", "jobs"},
    Family{"Converse", "conversation"},
    Family{"Shutdown", "shutdown"},
    Family{"State", "state"},
};

// "Alpha1" at the end of a name makes "v1alpha1", "Beta1" "v1beta1", nothing "v1".
std::string version_of(std::string_view method) {
  if (method.empty() || std::isdigit(static_cast<unsigned char>(method.back())) == 0) return "v1";
  for (const auto& [word, lower] : {std::pair("Alpha", "v1alpha"), std::pair("Beta", "v1beta")}) {
    const std::string_view stem = method.substr(0, method.size() - 1);
    if (stem.ends_with(word)) return std::string(lower) + method.back();
  }
  return "v1";
}

}  // namespace

ApiName api_of(std::string_view method) {
  const std::string_view name = method.substr(method.rfind('/') + 1);
  const auto found = std::ranges::find_if(kFamilies, [&](const Family& one) { return name.contains(one.part); });
  if (found == kFamilies.end()) return {};
  return {found->name, version_of(name)};
}

bool is_allowed(const config::ApiAccess& access, std::string_view method) {
  if (!access.restricts() || !method.starts_with(kRuntime)) return true;
  const ApiName api = api_of(method);
  return access.allows(api.version, api.name);
}

}  // namespace tandem::api::grpc
