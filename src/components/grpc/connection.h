// The way to one component in a program of its own: a channel to its socket, and what every call there carries.
//
// Shared by the parts of the component (a store, or an input and an output binding) and by their streams; close() comes
// before the end of the last of them. Any thread. The library connects when the first call needs it, and again, with a
// back-off of up to a second, when the program was started anew; until then calls fail with UNAVAILABLE. A program that
// was started anew knows nothing: the component is initialised on each new connection before anything else goes there.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/result.h"
#include "net/grpc/open_calls.h"

namespace tandem::components::grpc {

// A call until its answer has been looked at.
template <class Request, class Response>
struct Call {
  ::grpc::ClientContext context;
  Request request;
  Response response;
};

class Connection final {
 public:
  // Of a message in either direction, in bytes: far above what Dapr's API takes by default.
  static constexpr std::size_t kMaxMessageBytes = std::size_t{64} << 20;
  // What a call has when its caller has no deadline of its own; an output binding, whose system outside may take long,
  // has the second one. daprd has none.
  static constexpr std::chrono::seconds kCallLimit{60};
  static constexpr std::chrono::seconds kInvokeLimit{3600};

  // Fails for a component whose name cannot travel as metadata, and for a socket whose path is too long.
  static Result<std::shared_ptr<Connection>> open(std::string component, std::string socket);

  const std::string& component() const { return component_; }
  const std::string& socket() const { return socket_; }
  const std::shared_ptr<::grpc::Channel>& channel() const { return channel_; }

  // What a call to the component's instance carries: whose it is, the caller's trace, and when it ends.
  void prepare(::grpc::ClientContext& call, const CallContext& context, std::chrono::seconds limit) const;
  // The same for a stream, which has no end, and for a question of Tandem's own.
  void prepare(::grpc::ClientContext& stream) const;
  void prepare(::grpc::ClientContext& question, SteadyTime deadline) const;

  // A part of the component has been initialised; `again` does it once more, with a call of ask_at_once(). Before the
  // first call of ask().
  using Initialise = std::move_only_function<void(std::function<void(const ::grpc::Status&)>)>;
  void initialised(Initialise again);
  // Runs `go` in place when the component is initialised on this connection, else when it has been, or could not be.
  using Go = std::move_only_function<void(const ::grpc::Status&)>;
  void when_initialised(Go go);
  // A stream has told that the connection broke, which the channel's state may not show yet: what is asked next is
  // asked of a program that is initialised again.
  void lost();

  // `start(call, ended)` begins the call. `done(status, call)` runs once, when it has ended, on gRPC's thread, or in
  // place with CANCELLED when the component is closed.
  template <class Request, class Response, class Start, class Done>
  void ask(std::shared_ptr<Call<Request, Response>> call, Start start, Done done) {
    if (is_initialised()) return ask_at_once(std::move(call), std::move(start), std::move(done));
    when_initialised([this, call = std::move(call), start = std::move(start),
                      done = std::move(done)](const ::grpc::Status& status) mutable {
      if (!status.ok()) return done(status, *call);
      ask_at_once(std::move(call), std::move(start), std::move(done));
    });
  }
  template <class Request, class Response, class Start, class Done>
  void ask_at_once(std::shared_ptr<Call<Request, Response>> call, Start start, Done done) {
    if (!open_->enter(call->context)) {
      return done(::grpc::Status(::grpc::StatusCode::CANCELLED, "the component is closed"), *call);
    }
    // The library copies what it is given, and keeps it for a while. The call has the channel, whose last holder must
    // not be a thread of gRPC's: it goes before the call counts as ended.
    const auto held =
        std::make_shared<std::pair<std::shared_ptr<Call<Request, Response>>, Done>>(std::move(call), std::move(done));
    auto& begun = *held->first;
    start(begun, std::function<void(::grpc::Status)>([open = open_, held](const ::grpc::Status& status) {
            {
              auto [call, done] = std::move(*held);
              open->forget(&call->context);
              done(status, *call);
            }
            open->leave();
          }));
  }

  // For streams, which enter and leave by themselves.
  const std::shared_ptr<net::grpc::OpenCalls>& open_calls() const { return open_; }

  // Calls under way have until `deadline`, then they are cancelled; no others begin. Streams must have been stopped.
  void close(SteadyTime deadline);

 private:
  Connection(std::string component, std::string socket);
  bool is_initialised();
  void initialise(std::size_t part);
  void end_initialising(const ::grpc::Status& status);

  const std::string component_;
  const std::string socket_;
  const std::shared_ptr<::grpc::Channel> channel_;
  const std::shared_ptr<net::grpc::OpenCalls> open_ = std::make_shared<net::grpc::OpenCalls>();
  std::vector<Initialise> parts_;  // constant once calls are made

  std::mutex mutex_;
  bool initialised_ = true;  // on the connection that was there last
  bool initialising_ = false;
  std::vector<Go> waiting_;
};

// The map of a message that holds metadata.
template <class Map>
void fill(Map& map, const Metadata& metadata) {
  for (const auto& [name, value] : metadata) map[name] = value;
}
template <class Map>
Metadata metadata_of(const Map& map) {
  Metadata metadata;
  for (const auto& entry : map) metadata.emplace(entry.first, entry.second);
  return metadata;
}

}  // namespace tandem::components::grpc
