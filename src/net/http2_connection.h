// One client's HTTP/2 connection (RFC 9113) in cleartext: frames to requests, answers to frames, by nghttp2.
//
// Begun by an HttpConnection that has seen the preface or an upgrade. Kept alive by its shard while it is open, by its
// pending socket operations and by its streams. The shard's worker only. A client that breaks the protocol, floods it
// or stops reading ends its own connection only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http2_library.h"
#include "net/server_connection.h"
#include "net/server_shard.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Stream;

class Http2Connection final : public ServerConnection,
                              public std::enable_shared_from_this<Http2Connection>,
                              private TimeoutEntry {
 public:
  Http2Connection(std::shared_ptr<ServerShard> shard, ServerSocket socket);
  ~Http2Connection() override;

  // `received`: what has been read already, from the preface on.
  void start(std::string_view received);
  // Answers 101 to a request of HTTP/1.1; its answer comes as stream 1. `settings`: decode_http2_settings().
  void start_upgraded(std::string_view settings, const RequestHead& head, std::string_view body,
                      std::string_view received);

  void drain() override;
  bool under_way() const override;
  void close() override;
  void send_gathered() override;
  void go_on() override;

  // For its streams.
  nghttp2_session* session() { return session_.get(); }
  ServerShard& shard() { return *shard_; }
  bool closed() const { return closed_; }
  Http2Fields& fields() { return fields_; }
  // Sends what the session has, as far as the client takes it; at the end of this turn of the loop.
  void flush();
  void flush_soon();
  // True when enough waits for the socket: the stream is asked again when that has gone.
  bool holds_back(std::int32_t id);
  void exchange_begun() { ++exchanges_; }
  void exchange_ended() { --exchanges_; }

 private:
  friend struct Http2Events;  // the session's callbacks
  using Clock = std::chrono::steady_clock;
  enum class Watched { kNothing, kHead, kIdle, kRequests };
  static constexpr std::size_t kOutput = 64 * 1024;  // of frames that are not with the socket yet
  static constexpr std::size_t kFrameHead = 9;

  // Frames (http2_events.cc).
  void open_session();
  int on_begin_head(std::int32_t id);
  int on_frame(const nghttp2_frame& frame);
  void on_stream_closed(std::int32_t id);
  std::shared_ptr<Http2Stream> add_stream(std::int32_t id);
  int count_idle_frame();
  bool pings_too_often();
  int tell_to_calm_down();
  std::shared_ptr<Http2Stream> stream(std::int32_t id) const;

  // Bytes (http2_connection.cc).
  void receive(std::string_view bytes);
  void answer();
  void read_on();
  void check_waiting();
  void settle();
  void pump();
  void read();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void write_rest();
  void on_written(const boost::system::error_code& error, std::size_t bytes);
  void begin_drain();
  void finish_drain();
  void end();
  void cut_streams();
  void watch();
  // Pings the client when it is time to, or cuts it off when it has not answered.
  void keep_alive(Clock::time_point now);
  static bool is_keep_alive(const nghttp2_ping& ping);
  void update_timer();
  void on_timeout() override;

  const std::shared_ptr<ServerShard> shard_;
  ServerSocket socket_;
  Http2Session session_;
  Http2Fields fields_;

  std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  std::vector<std::shared_ptr<Http2Stream>> changed_;  // settle() looks at them
  std::shared_ptr<Http2Stream> upgraded_;              // waits for the client's preface
  std::vector<std::shared_ptr<Http2Stream>> drained_;  // their writes go on
  std::vector<std::int32_t> held_back_;
  std::size_t exchanges_ = 0;  // that handlers hold, also of streams that have gone
  int idle_frames_ = 0;        // since the last one that was about a request
  int invalid_frames_ = 0;
  int ping_strikes_ = 0;
  bool pings_forgiven_ = true;
  Clock::time_point last_ping_at_;  // of the client's
  std::int32_t head_of_ = 0;        // the stream whose head is coming

  std::unique_ptr<char[]> input_;
  std::string out_;
  std::size_t sent_ = 0;
  bool writing_ = false;
  bool flushing_ = false;
  bool flush_again_ = false;
  bool flush_posted_ = false;
  bool receiving_ = false;
  bool gathered_ = false;  // the shard will call send_gathered(), and go_on() to read
  bool settings_seen_ = false;
  bool draining_ = false;
  bool last_goaway_ = false;
  bool lingering_ = false;
  bool closed_ = false;
  Watched watched_ = Watched::kNothing;
  std::int32_t watched_head_ = 0;
  std::size_t lingered_ = 0;
  Clock::time_point read_deadline_ = Clock::time_point::max();
  Clock::time_point write_deadline_ = Clock::time_point::max();
  Clock::time_point keep_alive_at_ = Clock::time_point::max();  // the next look
  Clock::time_point received_at_;
  bool pinged_ = false;  // and nothing has come since
};

}  // namespace tandem::net
