// bindings.localstorage: files below one folder of this machine.
//
// Operations run on two threads of its own; an answer comes on one of them. A file name never leads out of the folder
// (storage_path.h). Fails as daprd's does, with Go's words for what the system says.
// Source: https://docs.dapr.io/reference/components-reference/supported-bindings/localstorage/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/blocking_pool.h"
#include "base/result.h"
#include "blocks/bindings/output_binding.h"

namespace tandem::components {

class LocalStorage final : public bindings::OutputBinding {
 public:
  static constexpr std::uint64_t kMaxFileBytes = std::uint64_t{100} << 20;  // of one that is read
  static constexpr std::size_t kMaxListed = 100'000;
  static constexpr std::size_t kMaxWaiting = 10'000;  // calls

  // Makes the folder. Fails with kInvalidArgument when `root_path` is empty, a file, or in /proc, /sys, /boot or where
  // Kubernetes puts secrets; links on the way are followed first.
  static Result<std::unique_ptr<LocalStorage>> open(std::string_view root_path);

  std::span<const std::string_view> operations() const override;
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  // Lets calls finish until then. What a disk that hangs still holds is answered with kUnavailable, and its thread is
  // left to itself.
  void close(SteadyTime deadline) override;

 private:
  class Calls;

  explicit LocalStorage(std::string root);

  // The threads have them, too.
  const std::shared_ptr<const std::string> root_;
  const std::shared_ptr<Calls> calls_;
  BlockingPool pool_;
};

}  // namespace tandem::components
