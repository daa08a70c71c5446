// What nghttp2 tells of a server's connection, frame by frame. No handler runs in here: changes are noted for settle().

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "net/http2_connection.h"
#include "net/http2_session.h"
#include "net/http2_stream.h"

namespace tandem::net {
namespace {

constexpr std::size_t kStreamWindow = 65'535;  // RFC 9113, 6.9.2: as it is without a setting
constexpr std::size_t kMaxAnswerHead = 1024 * 1024;
constexpr int kMaxIdleFrames = 10'000;
constexpr std::size_t kMaxWaitingAcks = 2000;  // more than one read can ask for
constexpr int kMaxInvalidFrames = 100;
constexpr int kMaxPingStrikes = 2;
constexpr std::string_view kTooManyPings = "too_many_pings";  // gRPC's clients look for it

}  // namespace

struct Http2Events {
  static Http2Connection& connection(void* data) { return *static_cast<Http2Connection*>(data); }
  static Http2Stream* stream(nghttp2_session* session, std::int32_t id, void*) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) return connection(data).on_begin_head(frame->hd.stream_id);
    connection(data).head_of_ = frame->hd.stream_id;
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    return connection(data).on_frame(*frame);
  }

  static int invalid_frame(nghttp2_session* session, const nghttp2_frame*, int, void* data) {
    if (++connection(data).invalid_frames_ <= kMaxInvalidFrames) return 0;
    return nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
  }

  static int data_received(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                           std::size_t size, void* data) {
    connection(data).idle_frames_ = 0;
    const auto stream = connection(data).stream(id);
    if (!stream) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    stream->on_body({reinterpret_cast<const char*>(bytes), size});
    connection(data).changed_.push_back(stream);
    return 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (frame->hd.length > 0) connection(data).idle_frames_ = 0;
    connection(data).ping_strikes_ = 0;
    connection(data).pings_forgiven_ = true;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (const auto stream = connection(data).stream(frame->hd.stream_id)) {
      stream->on_answer_sent();
      connection(data).changed_.push_back(stream);
    }
    return 0;
  }

  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t length,
                       nghttp2_data_source* source, void* data) {
    Http2Connection& connection = Http2Events::connection(data);
    auto& stream = *static_cast<Http2Stream*>(source->ptr);
    connection.out_.append(reinterpret_cast<const char*>(head), Http2Connection::kFrameHead);
    stream.append_to(connection.out_, length);
    if (stream.write_is_over()) connection.drained_.push_back(stream.shared_from_this());
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* data) {
    connection(data).on_stream_closed(id);
    return 0;
  }
};

void Http2Connection::open_session() {
  const Http2Callbacks callbacks = make_http2_callbacks<Http2Events>();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks.get(), Http2Events::begin_headers);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks.get(), Http2Events::frame_sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks.get(), Http2Events::frame_not_sent);
  const std::array<nghttp2_settings_entry, 2> settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(shard_->options().max_streams)},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(shard_->options().max_head_bytes)}}};
  // Bytes of bodies that no handler has taken, at most. Room for all streams: one that is held back holds back no
  // other.
  const std::size_t window =
      std::min<std::size_t>(shard_->options().max_streams * kStreamWindow, std::numeric_limits<std::int32_t>::max());
  session_ = make_http2_session({.end = Http2End::kServer,
                                 .max_head_bytes = kMaxAnswerHead,
                                 .max_waiting_acks = kMaxWaitingAcks,
                                 .connection_window = static_cast<std::int32_t>(window),
                                 .settings = settings},
                                callbacks, this);
}

std::shared_ptr<Http2Stream> Http2Connection::stream(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

std::shared_ptr<Http2Stream> Http2Connection::add_stream(std::int32_t id) {
  auto stream = std::make_shared<Http2Stream>(shared_from_this(), id);
  streams_.emplace(id, stream);
  nghttp2_session_set_stream_user_data(session_.get(), id, stream.get());
  watched_ = Watched::kNothing;  // the time of an idle connection begins anew after it
  return stream;
}

int Http2Connection::on_begin_head(std::int32_t id) {
  head_of_ = id;
  idle_frames_ = 0;
  // A client that resets its streams makes room in the session, not in the handlers that still have them.
  const std::size_t most = shard_->options().max_streams;
  if (exchanges_ >= most || streams_.size() >= most) {
    return nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
  }
  add_stream(id);
  return 0;
}

int Http2Connection::on_frame(const nghttp2_frame& frame) {
  const auto of = stream(frame.hd.stream_id);
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      head_of_ = 0;
      if (of) of->on_head();
      break;
    case NGHTTP2_DATA:
      if (frame.hd.length == 0 && !ends) return count_idle_frame();
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        if (draining_ && !is_keep_alive(frame.ping)) finish_drain();
        return 0;
      }
      if (pings_too_often()) return tell_to_calm_down();
      return count_idle_frame();
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) settings_seen_ = true;
      if (upgraded_) changed_.push_back(std::exchange(upgraded_, nullptr));
      return count_idle_frame();
    default: return count_idle_frame();
  }
  if (!of) return 0;
  if (ends) of->on_end();
  changed_.push_back(of);
  return 0;
}

// Frames that cost the server something and do nothing for a request.
int Http2Connection::count_idle_frame() {
  if (++idle_frames_ <= kMaxIdleFrames) return 0;
  return nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
}

// As grpc-go counts: the first ping after something was sent is free, later ones keep their distance.
bool Http2Connection::pings_too_often() {
  const auto& interval = shard_->options().min_ping_interval;
  if (!interval) return false;
  const Clock::time_point now = Clock::now();
  const bool soon = now - std::exchange(last_ping_at_, now) < *interval;
  if (std::exchange(pings_forgiven_, false)) return false;
  return soon && ++ping_strikes_ > kMaxPingStrikes;
}

int Http2Connection::tell_to_calm_down() {
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                        NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const std::uint8_t*>(kTooManyPings.data()),
                        kTooManyPings.size());
  return nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Connection::on_stream_closed(std::int32_t id) {
  if (head_of_ == id) head_of_ = 0;
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second->on_closed();
  changed_.push_back(std::move(found->second));
  streams_.erase(found);
}

}  // namespace tandem::net
