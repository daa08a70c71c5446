#include "net/http2_link.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <limits>
#include <utility>

#include "net/client_pool.h"
#include "net/http2_call.h"
#include "net/http2_host.h"
#include "net/http2_session.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kInput = 16 * 1024;
constexpr std::size_t kOutput = 64 * 1024;
constexpr std::size_t kFrameHead = 9;
constexpr std::uint32_t kStreamWindow = 256 * 1024;  // of an answer that its sink holds back
constexpr std::uint32_t kFirstStreams = 100;         // before the peer has said how many it takes
constexpr std::size_t kMaxRequestHead = 1024 * 1024;
constexpr std::size_t kMaxWaitingFrames = 10'000;

}  // namespace

struct Http2LinkEvents {
  static Http2Link& link(void* data) { return *static_cast<Http2Link*>(data); }

  static std::shared_ptr<Http2Call> stream(nghttp2_session*, std::int32_t id, void* data) {
    return link(data).call(id);
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    Http2Link& link = Http2LinkEvents::link(data);
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
      link.settings_seen_ = link.room_ = true;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) link.retired_ = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    const auto call = link.call(frame->hd.stream_id);
    if (!call) return 0;
    link.used_ = true;
    if (frame->hd.type == NGHTTP2_HEADERS) call->on_head();
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) call->on_end();
    link.note(call);
    return 0;
  }

  static int invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* data) {
    if (const auto call = link(data).call(frame->hd.stream_id)) call->on_invalid();
    return 0;
  }

  static int data_received(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                           std::size_t size, void* data) {
    const auto call = link(data).call(id);
    if (!call) return nghttp2_session_consume(session, id, size);
    call->on_body({reinterpret_cast<const char*>(bytes), size});
    link(data).note(call);
    return 0;
  }

  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t length,
                       nghttp2_data_source*, void* data) {
    const auto call = link(data).call(frame->hd.stream_id);
    if (!call) return NGHTTP2_ERR_CALLBACK_FAILURE;  // it has offered the bytes just now
    link(data).out_.append(reinterpret_cast<const char*>(head), kFrameHead);
    call->append_to(link(data).out_, length);
    return 0;
  }

  static ssize_t pull(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t length, std::uint32_t* flags,
                      nghttp2_data_source*, void* data) {
    const auto call = link(data).call(id);
    return call ? call->offer(length, *flags) : static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED);
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* data) {
    Http2Link& link = Http2LinkEvents::link(data);
    link.room_ = true;
    const auto call = link.call(id);
    if (!call) return 0;
    link.calls_.erase(id);
    call->on_closed(error_code);
    link.note(call);
    return 0;
  }
};

Http2Link::Http2Link(std::shared_ptr<Http2Host> host, std::unique_ptr<ClientTransport> transport)
    : host_(std::move(host)), transport_(std::move(transport)) {
  open_session();
}

Http2Link::~Http2Link() = default;

void Http2Link::open_session() {
  const auto head_limit = static_cast<std::uint32_t>(
      std::min<std::size_t>(host_->pool().options().max_head_bytes, std::numeric_limits<std::uint32_t>::max()));
  const std::array<nghttp2_settings_entry, 3> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
                                                        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_limit}}};
  // A call that is held back holds back no other: each has its own window, and their number is the client's choice.
  session_ = make_http2_session({.end = Http2End::kClient,
                                 .max_head_bytes = kMaxRequestHead,
                                 .max_waiting_acks = std::nullopt,
                                 .connection_window = std::numeric_limits<std::int32_t>::max(),
                                 .settings = settings},
                                make_http2_callbacks<Http2LinkEvents>(), this);
}

std::shared_ptr<Http2Call> Http2Link::call(std::int32_t id) const {
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

void Http2Link::start() {
  input_ = std::make_unique_for_overwrite<char[]>(kInput);
  flush();
  if (!closed_) read();
}

bool Http2Link::takes(const AddressFilter& filter) {
  if (closed_ || retired_ || nghttp2_session_check_request_allowed(session_.get()) == 0) return false;
  const std::uint32_t limit =
      settings_seen_ ? nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                     : kFirstStreams;
  if (calls_.size() >= limit) return false;
  return !filter || filter(plain_ip(transport_->remote.address()), transport_->remote.port());
}

std::int32_t Http2Link::open(std::shared_ptr<Http2Call> call, Http2Fields& fields, Body body) {
  nghttp2_data_provider provider{};
  provider.read_callback = Http2LinkEvents::pull;
  const auto& list = fields.list();
  const std::int32_t id = nghttp2_submit_request(session_.get(), nullptr, list.data(), list.size(),
                                                 body == Body::kCarried ? &provider : nullptr, nullptr);
  if (id <= 0) return 0;
  calls_.emplace(id, std::move(call));
  watch();
  flush_soon();
  return id;
}

void Http2Link::forget(std::int32_t id) {
  if (calls_.erase(id) == 0 || closed_) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  room_ = true;
  flush_soon();
}

void Http2Link::resume(std::int32_t id) {
  if (closed_) return;
  nghttp2_session_resume_data(session_.get(), id);
  flush_soon();
}

void Http2Link::open_window(std::int32_t id, std::size_t bytes) {
  if (closed_ || bytes == 0) return;
  nghttp2_session_consume(session_.get(), id, bytes);
  flush_soon();
}

bool Http2Link::holds_back(std::int32_t id) {
  if (out_.size() < kOutput) return false;
  held_back_.push_back(id);
  return true;
}

// Frames come.

void Http2Link::read() {
  transport_->read_some(asio::buffer(input_.get(), kInput),
                        [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                          self->on_read(error, bytes);
                        });
}

void Http2Link::on_read(const boost::system::error_code& error, std::size_t bytes) {
  if (closed_) return;
  if (error) return close("closed the connection");
  const auto self = shared_from_this();
  receiving_ = true;
  const ssize_t used =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(input_.get()), bytes);
  receiving_ = false;
  if (used < 0 || nghttp2_session_get_outbound_queue_size(session_.get()) > kMaxWaitingFrames) {
    return close("sent what is not HTTP/2");
  }
  flush();
  if (!closed_) read();
}

void Http2Link::settle() {
  while (!changed_.empty() && !closed_) {
    for (const auto& call : std::exchange(changed_, {})) call->settle();
  }
  if (std::exchange(room_, false) && !closed_) host_->serve();
}

// Frames go.

void Http2Link::flush_soon() {
  if (flush_posted_ || closed_) return;
  flush_posted_ = true;
  host_->pool().worker().post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Http2Link::flush() {
  if (closed_ || receiving_ || flushing_) return;
  const auto self = shared_from_this();
  flushing_ = true;
  do {
    settle();
    if (!closed_ && !writing_) fill();
  } while (!changed_.empty() && !closed_);
  flushing_ = false;
  if (closed_) return;
  const bool over = nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
  if (!writing_ && (over || (retired_ && calls_.empty()))) return close("closed the connection");
  watch();
}

void Http2Link::fill() {
  for (const std::int32_t id : std::exchange(held_back_, {})) nghttp2_session_resume_data(session_.get(), id);
  while (out_.size() < kOutput) {
    const std::uint8_t* frames = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &frames);
    if (size < 0) return close("cannot be sent to");
    if (size == 0) break;
    out_.append(reinterpret_cast<const char*>(frames), static_cast<std::size_t>(size));
  }
  if (out_.empty()) return;
  writing_ = true;
  transport_->write(asio::buffer(out_),
                    [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                      if (self->closed_) return;
                      self->writing_ = false;
                      self->out_.clear();
                      // Why a peer has closed is in what it has sent before: the reading side comes to it.
                      if (!error) self->flush();
                    });
}

// The end.

void Http2Link::retire() {
  retired_ = true;
  flush_soon();
}

void Http2Link::close(std::string_view why) {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  transport_->close();
  host_->pool().worker().timeouts().disarm(*this);
  // Streams whose end has come hear of it as such.
  for (const auto& call : std::exchange(changed_, {})) call->settle();
  for (const auto& [id, call] : std::exchange(calls_, {})) call->on_link_gone(why);
  host_->gone(*this);
}

void Http2Link::watch() {
  const bool idle_now = calls_.empty();
  if (idle_now == idle_timer_) return;
  idle_timer_ = idle_now;
  TimeoutWheel& wheel = host_->pool().worker().timeouts();
  if (idle_now) {
    wheel.arm(*this, std::chrono::steady_clock::now() + host_->pool().options().idle_timeout);
  } else {
    wheel.disarm(*this);
  }
}

void Http2Link::on_timeout() {
  if (calls_.empty()) close("was idle");
}

}  // namespace tandem::net
