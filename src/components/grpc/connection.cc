#include "components/grpc/connection.h"

#include <google/protobuf/stubs/logging.h>
#include <sys/un.h>

#include <algorithm>

#include "net/grpc/channel.h"
#include "net/grpc/header_metadata.h"
#include "telemetry/trace_context.h"

namespace tandem::components::grpc {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

// By it a program that serves several components of one type tells them apart.
constexpr const char* kInstance = "x-component-instance";

system_clock::time_point wall(SteadyTime time) {
  return system_clock::now() + std::chrono::duration_cast<system_clock::duration>(time - steady_clock::now());
}

}  // namespace

Result<std::shared_ptr<Connection>> Connection::open(std::string component, std::string socket) {
  if (!net::grpc::is_metadata(kInstance, component)) {
    return fail(Code::kInvalidArgument, "the component's name cannot be sent to " + socket +
                                            " (x-component-instance): only printable ASCII can; rename the component");
  }
  constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
  if (socket.size() > kLongestPath) {
    return fail(Code::kInvalidArgument, socket + ": the path of a socket has at most " + std::to_string(kLongestPath) +
                                            " bytes; use a shorter DAPR_COMPONENTS_SOCKETS_FOLDER");
  }
  // What cannot be sent fails its call; the library has nothing to print.
  ::google::protobuf::SetLogHandler(nullptr);
  return std::shared_ptr<Connection>(new Connection(std::move(component), std::move(socket)));
}

Connection::Connection(std::string component, std::string socket)
    : component_(std::move(component)),
      socket_(std::move(socket)),
      channel_(net::grpc::make_channel({.socket = socket_, .max_message_bytes = kMaxMessageBytes})) {}

void Connection::prepare(::grpc::ClientContext& call, const CallContext& context, std::chrono::seconds limit) const {
  prepare(call, std::min(context.deadline, steady_clock::now() + limit));
  if (!telemetry::parse_traceparent(context.trace.traceparent)) return;
  const TraceContext trace = telemetry::child_trace(context.trace);
  call.AddMetadata("traceparent", trace.traceparent);
  if (const auto state = telemetry::valid_tracestate(trace.tracestate); !state.empty()) {
    call.AddMetadata("tracestate", std::string(state));
  }
}

void Connection::prepare(::grpc::ClientContext& stream) const { stream.AddMetadata(kInstance, component_); }

void Connection::prepare(::grpc::ClientContext& question, SteadyTime deadline) const {
  prepare(question);
  question.set_deadline(wall(deadline));
}

void Connection::initialised(Initialise again) { parts_.push_back(std::move(again)); }

bool Connection::is_initialised() {
  const std::lock_guard lock(mutex_);
  return initialised_ && !initialising_ && channel_->GetState(false) == GRPC_CHANNEL_READY;
}

void Connection::when_initialised(Go go) {
  {
    std::unique_lock lock(mutex_);
    if (initialised_ && !initialising_ && channel_->GetState(false) == GRPC_CHANNEL_READY) {
      lock.unlock();
      return go(::grpc::Status::OK);
    }
    waiting_.push_back(std::move(go));
    if (std::exchange(initialising_, true)) return;
  }
  initialise(0);
}

void Connection::lost() {
  const std::lock_guard lock(mutex_);
  if (!initialising_) initialised_ = false;
}

void Connection::initialise(std::size_t part) {
  if (part == parts_.size()) return end_initialising(::grpc::Status::OK);
  parts_[part]([this, part](const ::grpc::Status& status) {
    if (status.ok()) return initialise(part + 1);
    end_initialising(status);
  });
}

void Connection::end_initialising(const ::grpc::Status& status) {
  std::vector<Go> waiting;
  {
    const std::lock_guard lock(mutex_);
    initialising_ = false;
    initialised_ = status.ok();
    waiting.swap(waiting_);
  }
  for (Go& go : waiting) go(status);
}

void Connection::close(SteadyTime deadline) {
  open_->close();
  open_->wait_until(deadline);
  open_->cancel_all();
}

}  // namespace tandem::components::grpc
