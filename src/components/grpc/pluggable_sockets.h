// The sockets of pluggable components: finds the one that a component's type names, asks what is behind it, and makes
// the component.
//
// One a process, the server's. A program is asked when a component names its socket, and never otherwise: a socket
// that nobody serves any more is of no consequence until then. See pluggable.h for threads and failures.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "components/pluggable.h"

namespace tandem::components::grpc {

// Whether a folder that anybody can make was made by this user or by root, and nobody else can put a socket there.
Status check_sockets_folder(const std::string& folder);

class PluggableSockets final : public Pluggable {
 public:
  static constexpr std::string_view kDefaultFolder = "/tmp/dapr-components-sockets";

  struct Options {
    // DAPR_COMPONENTS_SOCKETS_FOLDER, which need not be there; empty: kDefaultFolder, as long as it belongs to this
    // user or to root and nobody else can write it, since anybody can make it.
    std::string folder;
    TimedExecutor& timers;        // outlives every component
    const Logger* log = nullptr;  // the same
  };
  explicit PluggableSockets(Options options);

  const std::string& folder() const override { return options_.folder; }
  Result<bool> serves(const config::Component& component) const override;
  Result<PluggableStore> make_store(const config::Component& component) const override;
  Result<PluggableBroker> make_broker(const config::Component& component,
                                      const std::string& consumer_id) const override;
  Result<PluggableBinding> make_binding(const config::Component& component, Parts wanted) const override;
  Result<std::unique_ptr<secrets::Store>> make_secret_store(const config::Component& component) const override;

 private:
  struct Found;
  Result<Found> find(const config::Component& component) const;

  const Options options_;
  const bool is_default_;  // the folder is the default one
};

}  // namespace tandem::components::grpc
