#include "host/host_interfaces.h"

#include "engine/runtime.h"
#include "host/guest_bindings.h"
#include "host/guest_config.h"
#include "host/guest_configuration.h"
#include "host/guest_invoke.h"
#include "host/guest_pubsub.h"
#include "host/guest_secrets.h"
#include "host/guest_state.h"

namespace tandem::host {

Status link_host_interfaces(tdm_linker* linker, const GuestConfig& config) {
  std::vector<tdm_header> pairs;
  pairs.reserve(config.size());
  for (const auto& [name, value] : config) pairs.push_back({engine::span(name), engine::span(value)});

  tdm_error* error = tdm_wit_state_add(linker, &state_vtable());
  if (error == nullptr) error = tdm_wit_pubsub_add(linker, &pubsub_vtable());
  if (error == nullptr) error = tdm_wit_invoke_add(linker, &invoke_vtable());
  if (error == nullptr) error = tdm_wit_bindings_add(linker, &bindings_vtable());
  if (error == nullptr) error = tdm_wit_secrets_add(linker, &secrets_vtable());
  if (error == nullptr) error = tdm_wit_configuration_add(linker, &configuration_vtable());
  if (error == nullptr) error = tdm_wit_handlers_add(linker);
  if (error == nullptr) error = tdm_wit_keyvalue_add(linker, &state_vtable());
  if (error == nullptr) error = tdm_wit_messaging_add(linker, &pubsub_vtable());
  if (error == nullptr) error = tdm_wit_config_add(linker, pairs.data(), pairs.size(), &config_vtable());
  if (error == nullptr) return {};
  return fail(Code::kInternal, engine::take_error(error, "cannot link what guests import").message);
}

}  // namespace tandem::host
