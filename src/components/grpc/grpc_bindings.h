// Bindings in a program of their own: Dapr's OutputBinding and InputBinding services. A reading is a stream of Read.
//
// Owned by BindingService; see output_binding.h and input_binding.h for threads. Completions and events come on gRPC's
// threads. Up to kAtOnce events of a reading are under way; each is acknowledged by its id with what the app answered,
// and a stream that ends is begun again. An invocation ends with its caller's deadline, else after
// Connection::kInvokeLimit.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/bindings/input_binding.h"
#include "blocks/bindings/output_binding.h"
#include "components/grpc/connection.h"
#include "dapr/proto/components/v1/bindings.grpc.pb.h"

namespace tandem::components::grpc {

class GrpcOutputBinding final : public bindings::OutputBinding {
 public:
  // Initialises the component with `properties`, and asks for its operations. Waits, until `deadline`.
  static Result<std::unique_ptr<GrpcOutputBinding>> open(std::shared_ptr<Connection> connection,
                                                         const Metadata& properties, SteadyTime deadline);
  ~GrpcOutputBinding() override;

  std::span<const std::string_view> operations() const override { return operations_; }
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  void close(SteadyTime deadline) override;

 private:
  explicit GrpcOutputBinding(std::shared_ptr<Connection> connection);

  const std::shared_ptr<Connection> connection_;
  ::dapr::proto::components::v1::OutputBinding::Stub stub_;
  // Constant once it is open.
  std::vector<std::string> names_;
  std::vector<std::string_view> operations_;
};

class GrpcInputBinding final : public bindings::InputBinding {
 public:
  static constexpr std::size_t kAtOnce = 100;

  // What it needs of the process; both outlive it.
  struct Surroundings {
    TimedExecutor& timers;
    const Logger* log = nullptr;
  };

  // Initialises the component with `properties`. Waits, until `deadline`.
  static Result<std::unique_ptr<GrpcInputBinding>> open(std::shared_ptr<Connection> connection,
                                                        const Metadata& properties, const Surroundings& surroundings,
                                                        SteadyTime deadline);
  ~GrpcInputBinding() override;

  Result<std::unique_ptr<Reading>> read(std::string app_id, bindings::EventHandler handler) override;
  void close(SteadyTime deadline) override;

 private:
  using Service = ::dapr::proto::components::v1::InputBinding;

  GrpcInputBinding(std::shared_ptr<Connection> connection, const Surroundings& surroundings);

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Service::Stub> stub_;  // streams have it, too
  const Surroundings surroundings_;
};

}  // namespace tandem::components::grpc
