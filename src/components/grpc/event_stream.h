// One stream on which a component sends messages and hears what became of each: begun again, with a back-off, when it
// ends.
//
// Made by a subscription or a reading, which calls begin() once and stop() once. Messages come on gRPC's threads; up to
// `at_once` of them are under way, and more are not read meanwhile. What is handled when the stream ends, or is
// stopped, is not acknowledged: the component sends it again. A failure goes to `warn`.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/executor.h"
#include "blocks/rpc_status.h"
#include "components/grpc/connection.h"

namespace tandem::components::grpc {

template <class Out, class In>
class EventStream final : public std::enable_shared_from_this<EventStream<Out, In>> {
 public:
  using Reactor = ::grpc::ClientBidiReactor<Out, In>;
  using Acknowledge = std::move_only_function<void(Out)>;

  struct Options {
    std::function<void(::grpc::ClientContext&, Reactor&)> open;  // the method of the stub
    std::optional<Out> first;                                    // what the stream begins with
    std::size_t at_once = 1;                                     // messages under way
    std::function<void(In, Acknowledge)> handle;                 // acknowledges once, from any thread
    std::function<void(const std::string&)> warn;
  };

  // `timers` outlives every stream.
  EventStream(std::shared_ptr<Connection> connection, TimedExecutor& timers, Options options)
      : options_(std::move(options)), connection_(std::move(connection)), timers_(timers) {}

  void begin() {
    connection_->when_initialised([self = this->shared_from_this()](const ::grpc::Status& status) {
      if (status.ok()) return self->begin_attempt();
      self->ended(status);
    });
  }

  // No message is handed out after it.
  void stop() {
    std::shared_ptr<Attempt> attempt;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      attempt = attempt_.lock();
    }
    if (attempt != nullptr) attempt->stop();
  }

 private:
  static constexpr std::chrono::milliseconds kFirstPause{100};
  static constexpr std::chrono::milliseconds kLongestPause{10'000};

  class Attempt final : public Reactor, public std::enable_shared_from_this<Attempt> {
   public:
    explicit Attempt(std::shared_ptr<EventStream> stream) : stream_(std::move(stream)) {}

    void begin() {
      const Connection& connection = *stream_->connection_;
      {
        const std::lock_guard lock(mutex_);
        if (ended_ || !connection.open_calls()->enter(context_)) return;
        self_ = this->shared_from_this();
        connection.prepare(context_);
        stream_->options_.open(context_, *this);
        begun_ = true;
        // Reads and writes begin on other threads, too, until end().
        this->AddHold();
        if (stream_->options_.first) write(*stream_->options_.first);
        read_next();
      }
      this->StartCall();
    }

    void stop() {
      end();
      context_.TryCancel();
    }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return end();
      stream_->received();
      In message;
      {
        const std::lock_guard lock(mutex_);
        reading_ = false;
        if (ended_) return;
        message = std::move(incoming_);
        ++under_way_;
        read_next();
      }
      stream_->options_.handle(std::move(message), [weak = this->weak_from_this()](Out out) {
        if (const auto attempt = weak.lock()) attempt->acknowledge(std::move(out));
      });
    }

    void OnWriteDone(bool ok) override {
      if (!ok) return end();
      const std::lock_guard lock(mutex_);
      outgoing_.pop_front();
      if (!ended_ && !outgoing_.empty()) this->StartWrite(&outgoing_.front());
    }

    void OnDone(const ::grpc::Status& status) override {
      const std::shared_ptr<net::grpc::OpenCalls> open = stream_->connection_->open_calls();
      open->forget(&context_);
      stream_->ended(status);
      // The context has the channel, whose last holder must not be a thread of gRPC's: it goes before the call counts
      // as ended.
      std::move(self_).reset();
      open->leave();
    }

    void acknowledge(Out out) {
      const std::lock_guard lock(mutex_);
      --under_way_;
      if (ended_) return;
      write(std::move(out));
      read_next();
    }

    // With the mutex held, from here on.
    void write(Out out) {
      outgoing_.push_back(std::move(out));
      if (outgoing_.size() == 1) this->StartWrite(&outgoing_.front());
    }
    void read_next() {
      if (reading_ || under_way_ >= stream_->options_.at_once) return;
      reading_ = true;
      this->StartRead(&incoming_);
    }

    // Without the mutex.
    void end() {
      {
        const std::lock_guard lock(mutex_);
        if (std::exchange(ended_, true) || !begun_) return;
      }
      this->RemoveHold();
    }

    const std::shared_ptr<EventStream> stream_;
    ::grpc::ClientContext context_;
    std::shared_ptr<Attempt> self_;  // until OnDone()

    std::mutex mutex_;
    bool begun_ = false;    // gRPC has the stream
    bool ended_ = false;    // nothing begins any more
    bool reading_ = false;  // incoming_ is gRPC's
    std::size_t under_way_ = 0;
    In incoming_;
    std::deque<Out> outgoing_;  // the first one is gRPC's
  };

  void begin_attempt() {
    const auto attempt = std::make_shared<Attempt>(this->shared_from_this());
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      attempt_ = attempt;
    }
    attempt->begin();
  }

  void received() {
    const std::lock_guard lock(mutex_);
    pause_ = kFirstPause;
  }

  void ended(const ::grpc::Status& status) {
    std::chrono::milliseconds pause{};
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      pause = pause_;
      pause_ = std::min(pause_ * 2, kLongestPause);
    }
    if (status.error_code() == ::grpc::StatusCode::UNAVAILABLE) connection_->lost();
    options_.warn(status.ok() ? "the component has ended the stream"
                              : "the stream has ended: " + rpc_text(status.error_code(), status.error_message()));
    timers_.post_after(pause, [weak = this->weak_from_this()] {
      if (const auto stream = weak.lock()) stream->begin();
    });
  }

  const Options options_;
  const std::shared_ptr<Connection> connection_;
  TimedExecutor& timers_;

  std::mutex mutex_;
  bool stopped_ = false;
  std::chrono::milliseconds pause_ = kFirstPause;
  std::weak_ptr<Attempt> attempt_;
};

}  // namespace tandem::components::grpc
