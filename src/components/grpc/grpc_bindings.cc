#include "components/grpc/grpc_bindings.h"

#include <utility>

#include "components/grpc/component_error.h"
#include "components/grpc/event_stream.h"
#include "components/grpc/initialisation.h"

namespace tandem::components::grpc {
namespace {

namespace wire = ::dapr::proto::components::v1;
using Read = EventStream<wire::ReadRequest, wire::ReadResponse>;

constexpr std::string_view kScope = "tandem.bindings.pluggable";

class Handle final : public bindings::InputBinding::Reading {
 public:
  explicit Handle(std::shared_ptr<Read> stream) : stream_(std::move(stream)) {}
  ~Handle() override { stream_->stop(); }

 private:
  const std::shared_ptr<Read> stream_;
};

wire::ReadRequest acknowledgement(const std::string& id, Result<std::string> answer) {
  wire::ReadRequest request;
  request.set_message_id(id);
  if (answer) {
    request.set_response_data(std::move(*answer));
  } else {
    request.mutable_response_error()->set_message(answer.error().message);
  }
  return request;
}

}  // namespace

GrpcOutputBinding::GrpcOutputBinding(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)), stub_(connection_->channel()) {}

GrpcOutputBinding::~GrpcOutputBinding() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<GrpcOutputBinding>> GrpcOutputBinding::open(std::shared_ptr<Connection> connection,
                                                                   const Metadata& properties, SteadyTime deadline) {
  std::unique_ptr<GrpcOutputBinding> binding(new GrpcOutputBinding(std::move(connection)));
  const Status begun = initialise<wire::OutputBindingInitRequest, wire::OutputBindingInitResponse>(
      *binding->connection_, binding->stub_, properties, deadline);
  if (!begun) return fail(begun.error());
  ::grpc::ClientContext context;
  binding->connection_->prepare(context, deadline);
  wire::ListOperationsResponse operations;
  if (const auto status = binding->stub_.ListOperations(&context, {}, &operations); !status.ok()) {
    return fail(component_error(status));
  }
  binding->names_.assign(operations.operations().begin(), operations.operations().end());
  binding->operations_.assign(binding->names_.begin(), binding->names_.end());
  return binding;
}

void GrpcOutputBinding::invoke(const CallContext& context, bindings::InvokeRequest request,
                               Completion<bindings::InvokeAnswer> done) {
  auto call = std::make_shared<Call<wire::InvokeRequest, wire::InvokeResponse>>();
  connection_->prepare(call->context, context, Connection::kInvokeLimit);
  call->request.set_operation(std::move(request.operation));
  call->request.set_data(std::move(request.data));
  fill(*call->request.mutable_metadata(), request.metadata);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_.async()->Invoke(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (!status.ok()) return done(fail(component_error(status)));
        done(bindings::InvokeAnswer{.data = share(std::move(*ended.response.mutable_data())),
                                    .metadata = metadata_of(ended.response.metadata())});
      });
}

void GrpcOutputBinding::close(SteadyTime deadline) { connection_->close(deadline); }

GrpcInputBinding::GrpcInputBinding(std::shared_ptr<Connection> connection, const Surroundings& surroundings)
    : connection_(std::move(connection)),
      stub_(std::make_shared<Service::Stub>(connection_->channel())),
      surroundings_(surroundings) {}

GrpcInputBinding::~GrpcInputBinding() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<GrpcInputBinding>> GrpcInputBinding::open(std::shared_ptr<Connection> connection,
                                                                 const Metadata& properties,
                                                                 const Surroundings& surroundings,
                                                                 SteadyTime deadline) {
  std::unique_ptr<GrpcInputBinding> binding(new GrpcInputBinding(std::move(connection), surroundings));
  const Status begun = initialise<wire::InputBindingInitRequest, wire::InputBindingInitResponse>(
      *binding->connection_, *binding->stub_, properties, deadline);
  if (!begun) return fail(begun.error());
  return binding;
}

Result<std::unique_ptr<bindings::InputBinding::Reading>> GrpcInputBinding::read(std::string app_id,
                                                                                bindings::EventHandler handler) {
  Read::Options options;
  options.open = [stub = stub_](::grpc::ClientContext& context, Read::Reactor& reactor) {
    stub->async()->Read(&context, &reactor);
  };
  options.at_once = kAtOnce;
  options.handle = [handler = std::move(handler)](wire::ReadResponse message, Read::Acknowledge acknowledge) {
    bindings::Event event{.data = std::move(*message.mutable_data()), .metadata = metadata_of(message.metadata())};
    handler(std::move(event),
            [id = message.message_id(), acknowledge = std::move(acknowledge)](Result<std::string> answer) mutable {
              acknowledge(acknowledgement(id, std::move(answer)));
            });
  };
  options.warn = [log = surroundings_.log, component = connection_->component(), socket = connection_->socket(),
                  app_id](const std::string& problem) {
    if (log == nullptr) return;
    log->warn(kScope, problem, {{"component", component}, {"app", app_id}, {"socket", socket}});
  };
  auto stream = std::make_shared<Read>(connection_, surroundings_.timers, std::move(options));
  stream->begin();
  return std::make_unique<Handle>(std::move(stream));
}

void GrpcInputBinding::close(SteadyTime deadline) { connection_->close(deadline); }

}  // namespace tandem::components::grpc
