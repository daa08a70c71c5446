// One call of a client of gRPC as the worker has it that its connection is on: head, messages, answer.
//
// A part of what serves the call (api/grpc/unary_call.h, server_stream.h). The worker's only, which is where every
// completion runs, in place or later; destroyed there or after finish(). Client and deadline are watched once
// when_gone() was asked for. After finish(), and once the client has gone, nothing of the call is there any more.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/completion.h"
#include "net/grpc/call_counter.h"
#include "net/grpc/call_route.h"
#include "net/grpc/frames.h"
#include "net/http.h"
#include "net/worker.h"

namespace tandem::net::grpc {

class ServerCall;

// What a server holds its calls to. Outlives them.
struct CallRules {
  // Of a message in either direction.
  std::size_t max_message_bytes = std::size_t{4} << 20;
  // Told of every call's end, before what came with it goes; null: nobody is. On the workers, several at once.
  std::function<void(const ServerCall& call, ::grpc::StatusCode code, std::chrono::nanoseconds duration)> ended =
      nullptr;
  // Counts what calls have gRPC's threads do, which a server waits for when it ends.
  std::shared_ptr<CallCounter> onward = std::make_shared<CallCounter>();
};

// A call whose head is right, on its way to what serves it.
struct IncomingCall {
  std::unique_ptr<net::Exchange> exchange;
  net::Worker* worker = nullptr;
  const CallRules* rules = nullptr;
  SteadyTime deadline = SteadyTime::max();
  Encoding encoding = Encoding::kIdentity;

  // "/package.Service/Method"
  std::string_view method() const { return exchange->head().target; }
  net::Headers headers() const { return exchange->head().headers; }
};

// Who serves the calls of a server. On the workers, several at once; outlives the server.
class CallService {
 public:
  virtual ~CallService() = default;
  virtual void serve(IncomingCall call) = 0;
};

// What an answer says besides its messages: bytes for "-bin" keys. Valid metadata only (header_metadata.h).
struct AnswerMetadata {
  MetadataPairs initial;
  MetadataPairs trailing;

  void add_initial(std::string key, std::string value) { initial.emplace_back(std::move(key), std::move(value)); }
};

class ServerCall final : private net::TimeoutEntry {
 public:
  explicit ServerCall(IncomingCall incoming);
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;
  ~ServerCall();

  net::Worker& worker() const { return worker_; }
  const CallRules& rules() const { return rules_; }
  SteadyTime deadline() const { return deadline_; }
  // Neither finished nor gone. What follows is there while it is.
  bool is_open() const { return exchange_ != nullptr; }

  std::string_view method() const { return exchange_->head().target; }
  net::Headers headers() const { return exchange_->head().headers; }
  // The first value of a metadatum, as it was sent: Base64 where the key ends in "-bin".
  std::optional<std::string_view> find(std::string_view key) const;
  // All that are the caller's: visit(key, value), bytes for "-bin" keys.
  template <class Visit>
  void for_each_metadatum(Visit visit) const {
    for (const net::Header& header : exchange_->head().headers) {
      if (is_protocols_own(header.name)) continue;
      if (!header.name.ends_with("-bin")) {
        visit(header.name, header.value);
      } else if (const auto bytes = bytes_of(header.value)) {
        visit(header.name, std::string_view(*bytes));
      }
    }
  }

  // `task` runs once when the client has left, or the call's deadline has passed, which the client is told. Not after
  // finish(). It may destroy the call.
  void when_gone(Task task);

  // The next message; nullopt: the client sends no more. One at a time; the view lives until the next one. Fails as
  // FrameReader does, and with kCancelled when the client has gone: when_gone() tells that, too.
  using Message = std::optional<std::string_view>;
  void read(Completion<Message> done);
  // The same within a limit for all of the message; over it kDeadlineExceeded.
  void read_within(std::chrono::milliseconds limit, Completion<Message> done);

  // The head of the answer, which goes with the first message otherwise.
  void send_head(const MetadataPairs& initial);
  // `done`: more may be written. One at a time. It fails when the client has gone.
  void write(std::string_view message, Completion<void> done);
  // The end, once. `frame` is a last message with its head, or empty.
  void finish(const ::grpc::Status& status, const AnswerMetadata& metadata = {}, std::string_view frame = {});

 private:
  using Clock = std::chrono::steady_clock;

  static bool is_protocols_own(std::string_view key);
  static std::optional<std::string> bytes_of(std::string_view value);

  void read_more();
  void take_piece(Result<std::string_view> piece);
  void deliver(Result<Message> message);
  void client_left();
  // The call has ended; who asks may still use the exchange.
  std::unique_ptr<net::Exchange> close(::grpc::StatusCode code);
  void watch_time();
  void on_timeout() override;

  net::Worker& worker_;
  const CallRules& rules_;
  std::unique_ptr<net::Exchange> exchange_;
  const SteadyTime deadline_;
  Clock::time_point started_;
  FrameReader reader_;
  bool all_read_ = false;
  bool head_sent_ = false;
  Completion<Message> read_done_;
  SteadyTime read_deadline_ = SteadyTime::max();
  Task gone_;
};

// As a status that the client is told.
inline ::grpc::Status status_of(const Error& error) {
  return {static_cast<::grpc::StatusCode>(static_cast<int>(error.code)), error.message};
}

}  // namespace tandem::net::grpc
