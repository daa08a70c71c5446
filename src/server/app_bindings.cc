#include "server/app_bindings.h"

#include <algorithm>
#include <utility>

namespace tandem::server {
namespace {

constexpr std::string_view kScope = "tandem.bindings";

}  // namespace

std::vector<std::string> wanted_inputs(const std::string& app_id, const Logger& log,
                                       const bindings::BindingService& service, const AskForBindings& ask) {
  using Input = bindings::BindingService::Input;
  std::vector<std::string> wanted;
  std::vector<Input> offered;
  for (Input& input : service.inputs(app_id)) {
    if (input.reader == bindings::BindingEntry::Reader::kNamed) {
      wanted.push_back(std::move(input.name));
    } else {
      offered.push_back(std::move(input));
    }
  }
  if (offered.empty()) return wanted;
  const std::vector<std::string> asked = ask ? ask(offered) : std::vector<std::string>();
  for (Input& input : offered) {
    if (std::ranges::find(asked, input.name) != asked.end()) {
      wanted.push_back(std::move(input.name));
    } else {
      log.info(kScope, "app has not subscribed to binding", {{"binding", input.name}, {"route", input.route}});
    }
  }
  return wanted;
}

void start_inputs(const std::string& app_id, const Logger& log, bindings::BindingService& service,
                  bindings::InputSink& sink, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const Status started = service.start(app_id, name, sink); started) {
      log.info(kScope, "reading from input binding", {{"binding", name}});
    } else {
      log.error(kScope, "error reading from input binding", {{"binding", name}, {"error", started.error().message}});
    }
  }
}

}  // namespace tandem::server
