// One client's connection: reads requests in order, hands each to the Handler as an Exchange, writes its answer.
//
// Kept alive by its shard while it is open, by its pending socket operations and by the exchange that a handler holds.
// The shard's worker only. The next request is parsed when the exchange is gone and its answer is written. A broken
// client ends its own connection only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/http_parser.h"
#include "net/server_connection.h"
#include "net/server_shard.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Connection;
class HttpConnection;

// The Exchange of a connection's current request. It lives inside the connection, which it keeps alive.
class ServerExchange final : public Exchange, public BodySource {
 public:
  explicit ServerExchange(std::shared_ptr<HttpConnection> connection) : connection_(std::move(connection)) {}

  static void* operator new(std::size_t, void* place) { return place; }
  static void operator delete(void*, void*) {}
  static void operator delete(ServerExchange* exchange, std::destroying_delete_t);

  const RequestHead& head() const override;
  BodySource& body() override { return *this; }
  CallContext& context() override;
  void respond(int status, Headers headers, std::string_view body) override;
  void start(int status, Headers headers) override;
  void write(std::string_view piece, Completion<void> done) override;
  void finish(Headers trailers) override;
  void abort() override;
  bool gone() const override;

  void read(Completion<std::string_view> done) override;
  std::optional<std::string_view> take_whole() override;
  Headers trailers() const override;

 private:
  std::shared_ptr<HttpConnection> connection_;
};

class HttpConnection final : public ServerConnection,
                             public std::enable_shared_from_this<HttpConnection>,
                             private TimeoutEntry {
 public:
  HttpConnection(std::shared_ptr<ServerShard> shard, ServerSocket socket);
  ~HttpConnection() override;

  void start();
  // Half a head, or the unread rest of a request that has its answer, is not in flight: nobody knows whether more of it
  // comes.
  void drain() override;
  bool under_way() const override;
  void close() override;
  // The shard's call at the end of the turn in which flush_soon() was called.
  void send_gathered() override;
  // The shard's next call, when all have had send_gathered(): the next request is read.
  void go_on() override;

 private:
  friend class ServerExchange;
  using Clock = std::chrono::steady_clock;

  enum class Answer { kNone, kStreaming, kFinished, kCut };
  enum class Framing { kNone, kLength, kChunked, kUntilClose };

  // Requests (http_connection.cc).
  void close_if_idle();
  void close_after_answers();
  bool more_has_arrived();
  void advance();
  bool end_request();
  bool parse_next();
  bool accept_request(std::size_t head_bytes);
  bool await_preface(std::string_view bytes);
  bool upgrade();
  void hand_over(const std::shared_ptr<Http2Connection>& next);
  bool normalize_target();
  void dispatch();
  void refuse(int status, std::string_view why);
  void linger();
  void grow(std::size_t capacity);
  void start_reading();
  void watch_client();
  void on_readable(const boost::system::error_code& error, std::size_t bytes);
  void exchange_gone();
  void record();

  // Request body (http_connection.cc).
  void read_body(Completion<std::string_view> done);
  std::optional<std::string_view> take_whole_body();
  Headers trailers() const { return body_done_ && !body_error_ ? parser_->trailers() : Headers(); }
  bool decode_body();
  void fetch_body();
  void deliver_body();
  void body_stalled();
  Clock::duration body_wait() const;
  bool drainable() const;

  // The answer (http_answer.cc).
  void respond(int status, Headers headers, std::string_view body);
  void start_answer(int status, Headers headers);
  void write(std::string_view piece, Completion<void> done);
  void finish(Headers trailers);
  void abort();
  bool begin_head(int status, Headers headers);
  void end_head();
  void answer_instead(int status, std::string_view why);
  void send_continue();
  void send(std::string_view piece, std::string_view suffix);
  void flush() { send({}, {}); }
  void flush_soon();
  void write_rest();
  void on_written(const boost::system::error_code& error, std::size_t bytes);
  void write_failed();

  // Time-outs.
  void arm_read(std::chrono::milliseconds delay);
  void arm_write(std::chrono::milliseconds delay);
  void update_timer();
  void on_timeout() override;

  const char* at(std::size_t offset) const { return data_.get() + offset; }

  const std::shared_ptr<ServerShard> shard_;
  ServerSocket socket_;

  // Input: [begin_, tail_) is not parsed yet; while a request is handled its head and body lie before begin_.
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t tail_ = 0;
  std::size_t scanned_ = 0;  // no end of a head before this
  bool reading_ = false;
  bool input_closed_ = false;

  // The request.
  std::vector<Header> headers_;
  std::optional<HttpParser<true>> parser_;
  RequestHead head_;
  CallContext context_;
  Clock::time_point head_read_at_;
  bool exchange_alive_ = false;
  bool advancing_ = false;
  bool preface_possible_;          // nothing of a request has come
  bool expects_continue_ = false;  // and has not been told to go on
  bool keep_alive_ = true;
  bool drain_requested_ = false;
  bool lingering_ = false;
  bool head_timer_ = false;  // the read deadline is that of a head, not of an idle connection
  bool recording_ = false;   // a request that the observer has not heard of yet

  // Its body: decoded bytes in [body_begin_, body_end_), which start at body_start_.
  std::size_t body_start_ = 0;
  std::size_t body_begin_ = 0;
  std::size_t body_end_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t drained_bytes_ = 0;
  bool body_done_ = true;
  std::optional<Error> body_error_;
  Clock::duration body_waited_{0};  // by the handler, in the reads that are over
  std::optional<Clock::time_point> body_wanted_at_;
  Completion<std::string_view> read_done_;

  // Its answer.
  Answer answer_ = Answer::kNone;
  Framing framing_ = Framing::kNone;
  int status_ = 0;
  std::uint64_t length_left_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::string out_;      // not sent yet
  std::string sending_;  // with the socket
  std::size_t sent_ = 0;
  bool writing_ = false;
  bool gathered_ = false;  // the shard will call send_gathered()
  bool gone_ = false;
  Completion<void> write_done_;
  int inline_writes_ = 0;

  bool closed_ = false;
  Clock::time_point read_deadline_ = Clock::time_point::max();
  Clock::time_point write_deadline_ = Clock::time_point::max();

  alignas(ServerExchange) unsigned char exchange_place_[sizeof(ServerExchange)];
};

}  // namespace tandem::net
