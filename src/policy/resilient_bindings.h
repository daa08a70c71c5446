// Bindings behind resiliency policies: calls of an output binding behind those of the calling app, events of input
// bindings behind those of the app that they are for.
//
// Decorators. The output binding is owned in place of the one that it owns; the sink stands before an app's own, which
// it does not outlive. Completions may also come on the guards' timers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "blocks/bindings/binding_service.h"
#include "blocks/registry.h"
#include "policy/app_protections.h"

namespace tandem::policy {

class ResilientOutputBinding final : public bindings::OutputBinding {
 public:
  ResilientOutputBinding(std::unique_ptr<bindings::OutputBinding> binding, AppProtections protections)
      : binding_(std::move(binding)), protections_(std::move(protections)) {}

  std::span<const std::string_view> operations() const override { return binding_->operations(); }
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  void close(SteadyTime deadline) override { binding_->close(deadline); }

 private:
  const std::unique_ptr<bindings::OutputBinding> binding_;
  const AppProtections protections_;
};

class ResilientInputSink final : public bindings::InputSink {
 public:
  // By the binding's name; those without policies are not there.
  using Protections = Registry<AppProtections>;

  // `protections` outlives the sink.
  ResilientInputSink(bindings::InputSink& sink, std::string app_id, const Protections& protections)
      : sink_(sink), app_id_(std::move(app_id)), protections_(protections) {}

  void take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) override;

 private:
  bindings::InputSink& sink_;
  const std::string app_id_;
  const Protections& protections_;
};

}  // namespace tandem::policy
