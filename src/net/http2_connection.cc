#include "net/http2_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <utility>

#include "net/http2_stream.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kInput = 16 * 1024;
constexpr std::size_t kMaxWaitingFrames = 2000;  // for a client that does not read
constexpr std::size_t kLingerBytes = 1024 * 1024;
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::uint8_t kKeepAlive[8] = {'t', 'a', 'n', 'd', 'e', 'm', 'k', 'a'};
constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

}  // namespace

Http2Connection::Http2Connection(std::shared_ptr<ServerShard> shard, ServerSocket socket)
    : shard_(std::move(shard)), socket_(std::move(socket)) {
  open_session();
}

Http2Connection::~Http2Connection() = default;

void Http2Connection::start(std::string_view received) {
  if (const auto& after = shard_->options().ping_after) {
    received_at_ = Clock::now();
    keep_alive_at_ = received_at_ + *after;
    update_timer();
  }
  receive(received);
  read_on();
}

void Http2Connection::start_upgraded(std::string_view settings, const RequestHead& head, std::string_view body,
                                     std::string_view received) {
  out_ = kSwitching;
  const int failed = nghttp2_session_upgrade2(session_.get(), reinterpret_cast<const std::uint8_t*>(settings.data()),
                                              settings.size(), head.method == "HEAD" ? 1 : 0, nullptr);
  if (failed != 0) return close();
  const auto stream = add_stream(1);
  stream->take_over(head, body);
  // Some clients have no room for an answer that comes on the heels of the 101.
  upgraded_ = stream;
  settings_seen_ = false;
  const auto self = shared_from_this();
  flush();
  if (!closed_) receive(received);
  read_on();
}

// Frames come.

void Http2Connection::read() {
  if (!input_) input_ = std::make_unique_for_overwrite<char[]>(kInput);
  socket_.async_read_some(asio::buffer(input_.get(), kInput),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Http2Connection::on_read(const boost::system::error_code& error, std::size_t bytes) {
  if (closed_) return;
  if (error) return close();
  if (keep_alive_at_ != Clock::time_point::max()) {
    received_at_ = Clock::now();
    pinged_ = false;
  }
  if (lingering_) {
    lingered_ += bytes;
    if (lingered_ > kLingerBytes) return close();
  } else {
    receive({input_.get(), bytes});
  }
  read_on();
}

// Nothing is there before the answers have left.
void Http2Connection::read_on() {
  if (!closed_ && !gathered_) read();
}

void Http2Connection::receive(std::string_view bytes) {
  const auto self = shared_from_this();
  receiving_ = true;
  const ssize_t used =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  receiving_ = false;
  if (used < 0) return close();
  answer();
}

// Answers that are there at once leave together with those of other connections, at the end of this turn.
void Http2Connection::answer() {
  if (closed_) return;
  if (writing_ || draining_ || lingering_ || !settings_seen_ || !shard_->gathers()) {
    flush();
    return check_waiting();
  }
  flushing_ = true;
  settle();
  flushing_ = false;
  flush_again_ = false;
  if (closed_) return;
  if (nghttp2_session_want_write(session_.get()) == 0) return flush();
  gathered_ = true;
  shard_->gather(shared_from_this());
}

void Http2Connection::send_gathered() {
  if (closed_) return;
  flush();
  check_waiting();
}

void Http2Connection::go_on() {
  if (!std::exchange(gathered_, false)) return;
  read_on();
}

void Http2Connection::check_waiting() {
  if (!closed_ && nghttp2_session_get_outbound_queue_size(session_.get()) > kMaxWaitingFrames) close();
}

void Http2Connection::settle() {
  while (!changed_.empty() && !closed_) {
    const auto changed = std::exchange(changed_, {});
    for (const auto& stream : changed) stream->settle();
  }
}

// Frames go.

void Http2Connection::flush() {
  if (closed_ || receiving_ || lingering_) return;
  flush_again_ = true;
  if (flushing_) return;
  const auto self = shared_from_this();
  flushing_ = true;
  while (std::exchange(flush_again_, false) && !closed_) {
    settle();
    if (!writing_ && !closed_) pump();
    settle();
    for (const auto& stream : std::exchange(drained_, {})) stream->go_on_writing();
    if (!changed_.empty()) flush_again_ = true;
  }
  flushing_ = false;
  if (closed_) return;
  if (draining_ && streams_.empty() && !last_goaway_) {
    finish_drain();
    return flush();
  }
  const bool over = nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
  if (over && !writing_) return end();
  watch();
}

void Http2Connection::flush_soon() {
  if (flushing_) flush_again_ = true;
  if (flush_posted_ || flushing_ || receiving_ || closed_) return;  // the latter two flush when they are done
  flush_posted_ = true;
  shard_->worker().post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

// Sends what the session has, until the socket takes no more.
void Http2Connection::pump() {
  while (true) {
    for (const std::int32_t id : std::exchange(held_back_, {})) nghttp2_session_resume_data(session_.get(), id);
    while (out_.size() < kOutput) {
      const std::uint8_t* frames = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &frames);
      if (size < 0) return close();
      if (size == 0) break;
      out_.append(reinterpret_cast<const char*>(frames), static_cast<std::size_t>(size));
    }
    if (out_.empty()) return;
    boost::system::error_code error;
    sent_ = socket_.write_some(asio::buffer(out_), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) return close();
    if (sent_ < out_.size()) return write_rest();
    out_.clear();
  }
}

bool Http2Connection::holds_back(std::int32_t id) {
  if (out_.size() < kOutput) return false;
  held_back_.push_back(id);
  return true;
}

void Http2Connection::write_rest() {
  writing_ = true;
  write_deadline_ = Clock::now() + shard_->options().write_stall_timeout;
  update_timer();
  socket_.async_write_some(asio::buffer(out_.data() + sent_, out_.size() - sent_),
                           [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                             self->on_written(error, bytes);
                           });
}

void Http2Connection::on_written(const boost::system::error_code& error, std::size_t bytes) {
  if (closed_) return;
  if (error) return close();
  sent_ += bytes;
  if (sent_ < out_.size()) return write_rest();
  writing_ = false;
  write_deadline_ = Clock::time_point::max();
  out_.clear();
  flush();
}

// The end.

void Http2Connection::drain() {
  // What has been read, but whose completion is still in the worker's queue, comes before this look.
  shard_->worker().post([self = shared_from_this()] { self->begin_drain(); });
}

// New streams are refused only when the client has had the time to hear of it: it answers the ping.
void Http2Connection::begin_drain() {
  if (closed_ || draining_) return;
  draining_ = true;
  boost::system::error_code error;
  if (streams_.empty() && socket_.available(error) == 0) {
    finish_drain();
  } else {
    nghttp2_submit_shutdown_notice(session_.get());
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  }
  flush();
}

void Http2Connection::finish_drain() {
  if (std::exchange(last_goaway_, true)) return;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Http2Connection::under_way() const {
  return writing_ || std::ranges::any_of(streams_, [](const auto& entry) { return entry.second->under_way(); });
}

// Nothing more is said; the client hears it before the connection is closed.
void Http2Connection::end() {
  if (lingering_) return;
  lingering_ = true;
  cut_streams();
  if (closed_) return;
  boost::system::error_code error;
  // Closing with bytes unread would reset the connection and take the last frames with it.
  if (socket_.available(error) == 0 || error) return close();
  socket_.shutdown(ServerSocket::shutdown_send, error);
  if (error) return close();
  read_deadline_ = Clock::now() + kLingerTime;
  update_timer();
}

void Http2Connection::cut_streams() {
  for (const auto& [id, stream] : std::exchange(streams_, {})) stream->cut();
  for (const auto& stream : std::exchange(changed_, {})) stream->cut();
  drained_.clear();
  upgraded_.reset();
}

void Http2Connection::close() {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  read_deadline_ = write_deadline_ = keep_alive_at_ = Clock::time_point::max();
  shard_->worker().timeouts().disarm(*this);
  shard_->remove(*this);
  cut_streams();
}

// Time-outs.

// What the connection waits for decides how long it may take.
void Http2Connection::watch() {
  Watched now = Watched::kRequests;
  if (!settings_seen_ || head_of_ != 0) {
    now = Watched::kHead;
  } else if (streams_.empty()) {
    now = Watched::kIdle;
  }
  if (now == watched_ && head_of_ == watched_head_) return;
  watched_ = now;
  watched_head_ = head_of_;
  if (now == Watched::kRequests) {
    read_deadline_ = Clock::time_point::max();
    return;
  }
  const ServerOptions& options = shard_->options();
  read_deadline_ = Clock::now() + (now == Watched::kHead ? options.head_timeout : options.idle_timeout);
  update_timer();
}

bool Http2Connection::is_keep_alive(const nghttp2_ping& ping) {
  return std::ranges::equal(ping.opaque_data, kKeepAlive);
}

void Http2Connection::keep_alive(Clock::time_point now) {
  if (keep_alive_at_ > now) return;
  if (pinged_) return close();
  const ServerOptions& options = shard_->options();
  keep_alive_at_ = lingering_ ? Clock::time_point::max() : received_at_ + *options.ping_after;
  if (keep_alive_at_ > now) return;
  pinged_ = true;
  keep_alive_at_ = now + options.ping_timeout;
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, kKeepAlive);
  flush();
}

void Http2Connection::update_timer() {
  const Clock::time_point next = std::min({read_deadline_, write_deadline_, keep_alive_at_});
  if (next != Clock::time_point::max()) shard_->worker().timeouts().arm(*this, next);
}

void Http2Connection::on_timeout() {
  if (closed_) return;
  const auto self = shared_from_this();
  const Clock::time_point now = Clock::now();
  if (write_deadline_ <= now) return close();
  if (read_deadline_ <= now) {
    read_deadline_ = Clock::time_point::max();
    if (lingering_ || writing_) return close();
    nghttp2_session_terminate_session(session_.get(),
                                      watched_ == Watched::kIdle ? NGHTTP2_NO_ERROR : NGHTTP2_SETTINGS_TIMEOUT);
    flush();
  }
  if (!closed_) keep_alive(now);
  if (!closed_) update_timer();
}

}  // namespace tandem::net
