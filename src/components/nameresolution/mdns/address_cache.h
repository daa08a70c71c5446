// The addresses that apps were found at, for as long as they may be believed.
//
// Owned by MdnsResolver. Any thread. An app may have several instances, which take turns. Times are given, so that
// tests need not wait. Both counts have a limit: over it the oldest goes.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"

namespace tandem::components {

class AddressCache final {
 public:
  static constexpr std::size_t kMaxApps = 1000;
  static constexpr std::size_t kMaxInstances = 64;

  // The next instance of `app_id`, "host:port".
  std::optional<std::string> next(std::string_view app_id, SteadyTime now);
  // `instance` is the name that it has for itself.
  void put(std::string_view app_id, std::string_view instance, std::string address, SteadyTime until);
  void remove_instance(std::string_view app_id, std::string_view instance);
  void remove_address(std::string_view app_id, std::string_view address);
  bool knows(std::string_view app_id) const;
  // Drops what is past its time; what is left was asked for after `since`, or is not named.
  std::vector<std::string> used_since(SteadyTime since, SteadyTime now);

 private:
  struct Instance {
    std::string name;
    std::string address;
    SteadyTime until;
  };
  struct App {
    std::vector<Instance> instances;
    std::size_t turn = 0;
    SteadyTime used;
  };

  mutable std::mutex mutex_;
  std::map<std::string, App, std::less<>> apps_;
};

}  // namespace tandem::components
