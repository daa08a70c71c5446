// One request of an HTTP/2 connection and its answer.
//
// Kept alive by its connection while the stream is open, and by the exchange that a handler holds. The shard's worker
// only. Frames reach it inside the session's callbacks (on_field() to on_closed()), where no handler may run: what
// they lead to happens in settle(). Bytes of a body open the peer's window when the handler takes them; bytes of an
// answer wait here until the peer's window lets them go. A broken stream ends alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/http.h"
#include "net/http2_library.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Connection;

class Http2Stream final : public std::enable_shared_from_this<Http2Stream>, private TimeoutEntry {
 public:
  Http2Stream(std::shared_ptr<Http2Connection> connection, std::int32_t id);
  ~Http2Stream();

  std::int32_t id() const { return id_; }

  // Frames that have come.
  void on_field(std::string_view name, std::string_view value);
  void on_invalid() { malformed_ = true; }
  void on_head();
  void on_body(std::string_view bytes);
  void on_end();
  void on_closed();

  // A request that came as HTTP/1.1, with its whole body.
  void take_over(const RequestHead& head, std::string_view body);

  // What the frames have led to: the handler is called, a read is answered, the end is told. May end the connection.
  void settle();
  // The connection has gone.
  void cut();
  // A handler has it, and its answer has not left.
  bool under_way() const { return dispatched_ && !answer_sent_; }

  // For the session, which sends the body of the answer.
  ssize_t offer(std::size_t at_most, std::uint32_t& flags);
  void append_to(std::string& out, std::size_t bytes);
  // True when a write waits to go on.
  bool write_is_over() const { return write_done_ != nullptr && pending_.empty(); }
  void go_on_writing();
  void on_answer_sent() { answer_sent_ = true; }

  // The exchange.
  const RequestHead& head() const { return head_; }
  CallContext& context() { return context_; }
  bool gone() const { return gone_; }
  void when_gone(Task task) { gone_task_ = std::move(task); }
  void respond(int status, Headers headers, std::string_view body);
  void start(int status, Headers headers);
  void write(std::string_view piece, Completion<void> done);
  void finish(Headers trailers);
  void abort();
  void read(Completion<std::string_view> done);
  std::optional<std::string_view> take_whole();
  Headers trailers() const { return body_done_ && !body_error_ ? trailer_fields_.headers() : Headers(); }
  void exchange_gone();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Answer { kNone, kStreaming, kFinished, kCut };
  enum class Body { kNone, kCarried };

  void dispatch();
  void refuse(int status, std::string_view why);
  std::optional<int> check_head(std::string& why) const;
  void deliver();
  void wait_for_body();
  void body_stalled();
  Clock::duration body_wait() const;
  void open_window(std::size_t bytes);
  void drop_arrived();
  void send_continue();
  bool begin_answer(int status, Headers headers);
  bool carries_no_body(int status) const;
  bool adds_headers() const;
  void submit(Body body);
  void answer_instead(int status, std::string_view why);
  void more_to_send();
  void reset(std::uint32_t error_code);
  void close_request_side();
  void record();
  void arm_read(std::chrono::milliseconds limit);
  void arm_write();
  void update_timer();
  void on_timeout() override;

  const std::shared_ptr<Http2Connection> connection_;
  const std::int32_t id_;

  // The request.
  Http2Received fields_;
  Http2Received trailer_fields_;
  RequestHead head_;
  CallContext context_;
  Clock::time_point head_read_at_;
  bool head_done_ = false;
  bool head_too_large_ = false;
  bool malformed_ = false;
  bool to_dispatch_ = false;
  bool dispatched_ = false;
  bool exchange_alive_ = false;
  bool expects_continue_ = false;
  bool recording_ = false;
  bool request_ended_ = false;  // by the answer's end

  // Its body.
  std::string arrived_;
  std::string taken_;  // what the last read gave out
  std::uint64_t body_bytes_ = 0;
  bool body_done_ = false;
  bool counts_for_window_ = true;  // what has arrived still holds the windows down
  std::optional<Error> body_error_;
  Clock::duration body_waited_{0};
  std::optional<Clock::time_point> body_wanted_at_;
  Completion<std::string_view> read_done_;

  // Its answer.
  Answer answer_ = Answer::kNone;
  int status_ = 0;
  bool no_body_ = false;
  bool answer_sent_ = false;
  std::optional<std::uint64_t> length_left_;
  std::uint64_t bytes_out_ = 0;
  std::string pending_;  // not in a frame yet: from pending_at_ on
  std::size_t pending_at_ = 0;
  bool deferred_ = false;  // the session waits for more_to_send()
  Http2Fields trailers_out_;
  Completion<void> write_done_;
  int inline_writes_ = 0;

  bool closed_ = false;
  bool gone_ = false;
  Task gone_task_;
  Clock::time_point read_deadline_ = Clock::time_point::max();
  Clock::time_point write_deadline_ = Clock::time_point::max();
};

// What a handler holds of a stream.
class Http2Exchange final : public Exchange, public BodySource {
 public:
  explicit Http2Exchange(std::shared_ptr<Http2Stream> stream) : stream_(std::move(stream)) {}
  ~Http2Exchange() override { stream_->exchange_gone(); }

  const RequestHead& head() const override { return stream_->head(); }
  BodySource& body() override { return *this; }
  CallContext& context() override { return stream_->context(); }
  void respond(int status, Headers headers, std::string_view body) override { stream_->respond(status, headers, body); }
  void start(int status, Headers headers) override { stream_->start(status, headers); }
  void write(std::string_view piece, Completion<void> done) override { stream_->write(piece, std::move(done)); }
  void finish(Headers trailers) override { stream_->finish(trailers); }
  void abort() override { stream_->abort(); }
  bool gone() const override { return stream_->gone(); }
  void when_gone(Task task) override { stream_->when_gone(std::move(task)); }

  void read(Completion<std::string_view> done) override { stream_->read(std::move(done)); }
  std::optional<std::string_view> take_whole() override { return stream_->take_whole(); }
  Headers trailers() const override { return stream_->trailers(); }

 private:
  const std::shared_ptr<Http2Stream> stream_;
};

}  // namespace tandem::net
