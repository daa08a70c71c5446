// For tests: an HTTP/2 client on a blocking socket, which does what it is told to and nothing else, and frames by hand.
//
// Every wait ends with the connection, or ten seconds after the last byte that came.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http2_library.h"
#include "net/testing/raw_client.h"

namespace tandem::net {

// For a server that speaks both.
inline ServerOptions http2(ServerOptions options = {}) {
  options.http2 = Http2::kOn;
  return options;
}

// A frame of any kind, right or wrong.
inline std::string http2_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t id, std::string_view payload) {
  const auto byte = [](std::uint32_t number, int shift) { return static_cast<char>(number >> shift & 0xff); };
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string out{
      byte(size, 16), byte(size, 8), byte(size, 0), static_cast<char>(type), static_cast<char>(flags), byte(id, 24),
      byte(id, 16),   byte(id, 8),   byte(id, 0)};
  return out.append(payload);
}

// A header block without compression, for names shorter than 127 bytes.
inline std::string http2_block(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  const auto text = [&out](std::string_view value) {
    if (value.size() < 127) {
      out += static_cast<char>(value.size());
    } else {
      out += '\x7f';
      std::size_t left = value.size() - 127;
      for (; left >= 128; left /= 128) out += static_cast<char>(left % 128 + 128);
      out += static_cast<char>(left);
    }
    out += value;
  };
  for (const auto& [name, value] : fields) {
    out += '\0';
    text(name);
    text(value);
  }
  return out;
}

// The error of the first GOAWAY among whole frames.
inline std::optional<std::uint32_t> http2_goaway(std::string_view bytes) {
  const auto at = [&bytes](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  while (bytes.size() >= 9) {
    const std::size_t size = 9 + (at(0) << 16 | at(1) << 8 | at(2));
    if (size > bytes.size()) break;
    if (at(3) == NGHTTP2_GOAWAY && size >= 17) return at(13) << 24 | at(14) << 16 | at(15) << 8 | at(16);
    bytes.remove_prefix(size);
  }
  return std::nullopt;
}

struct Http2Answer {
  int status = 0;
  std::vector<int> interim;
  std::string headers;  // "name=value;"
  std::string body;
  std::string trailers;
  bool head_done = false;
  bool closed = false;
  std::uint32_t error = 0;  // that the stream was closed with
};

class Http2Peer final {
 public:
  enum class Windows { kOpened, kLeft };  // opened as bytes come, or left as they are
  using Fields = std::vector<std::pair<std::string, std::string>>;
  using Settings = std::vector<nghttp2_settings_entry>;

  explicit Http2Peer(std::uint16_t port, Settings settings = {}, Windows windows = Windows::kOpened,
                     int receive_buffer = 0)
      : raw_(port, receive_buffer) {
    open(windows);
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    send();
  }

  // Begins with a request of HTTP/1.1 that asks for HTTP/2; its answer is that of stream 1.
  struct Upgrade {
    std::string request;  // up to its blank line, without Connection, Upgrade and HTTP2-Settings
    std::string body;
  };
  Http2Peer(std::uint16_t port, const Upgrade& upgrade) : raw_(port) {
    raw_.send(upgrade.request +
              "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + upgrade.body);
    switched_ = raw_.read_until("\r\n\r\n");
    open(Windows::kOpened);
    const std::uint8_t payload[] = {0, 3, 0, 0, 0, 100};
    nghttp2_session_upgrade2(session_.get(), payload, sizeof payload, 0, nullptr);
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, nullptr, 0);
    send();
  }
  const std::string& switched() const { return switched_; }

  // A request without a body, or with the whole of one.
  std::int32_t request(std::string method, std::string path, Fields fields = {},
                       std::optional<std::string> body = std::nullopt) {
    return begin(std::move(method), std::move(path), std::move(fields), std::move(body), true);
  }
  // A request of exactly these fields, right or wrong.
  std::int32_t request_of(const Fields& fields) {
    std::vector<nghttp2_nv> list;
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    for (const auto& [name, value] : fields) {
      list.push_back({bytes(name), bytes(value), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
    }
    const auto id = nghttp2_submit_request(session_.get(), nullptr, list.data(), list.size(), nullptr, nullptr);
    send();
    return id;
  }
  // A request whose body is sent by add().
  std::int32_t begin(std::string method, std::string path, Fields fields = {}) {
    return begin(std::move(method), std::move(path), std::move(fields), std::string(), false);
  }
  void add(std::int32_t id, std::string_view bytes, Fields trailers = {}, bool last = false) {
    Body& body = bodies_[id];
    body.left += bytes;
    body.last = last;
    body.trailers = std::move(trailers);
    nghttp2_session_resume_data(session_.get(), id);
    send();
  }
  void finish(std::int32_t id, Fields trailers = {}) { add(id, {}, std::move(trailers), true); }
  // Of a body, not gone for want of a window.
  std::size_t unsent(std::int32_t id) { return bodies_[id].left.size(); }

  void reset(std::int32_t id) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    send();
  }
  void open_window(std::int32_t id, std::int32_t bytes) {
    nghttp2_submit_window_update(session_.get(), NGHTTP2_FLAG_NONE, id, bytes);
    send();
  }

  // The answer when its stream is closed.
  const Http2Answer& answer(std::int32_t id) {
    while (!answers_[id].closed && turn()) {
    }
    return answers_[id];
  }
  // The answer as far as it has come.
  Http2Answer& so_far(std::int32_t id) { return answers_[id]; }
  template <class Predicate>
  bool until(Predicate predicate) {
    while (!predicate()) {
      if (!turn()) return predicate();
    }
    return true;
  }
  // Everything that the server does before it answers a ping has come.
  bool settle() {
    const int before = pongs_;
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    send();
    return until([&] { return pongs_ > before; });
  }
  // The error of the last GOAWAY once the server has closed the connection.
  std::optional<std::uint32_t> end() {
    while (turn()) {
    }
    return goaway_;
  }
  std::optional<std::uint32_t> goaway() const { return goaway_; }

  RawClient& raw() { return raw_; }
  // Takes what has come.
  bool turn() {
    const std::string bytes = raw_.read_some();
    if (bytes.empty()) return false;
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (nghttp2_session_mem_recv(session_.get(), data, bytes.size()) < 0) return false;
    send();
    return true;
  }

 private:
  struct Body {
    std::string left;
    bool last = false;
    Fields trailers;
  };

  static Http2Peer& peer(void* data) { return *static_cast<Http2Peer*>(data); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* data) {
    Http2Answer& answer = peer(data).answers_[frame->hd.stream_id];
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      const int status = std::stoi(text);
      if (status >= 200) {
        answer.status = status;
      } else {
        answer.interim.push_back(status);
      }
    } else {
      (answer.head_done ? answer.trailers : answer.headers).append(key + "=" + text + ";");
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                     void* data) {
    peer(data).answers_[id].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* data) {
    peer(data).answers_[id].closed = true;
    peer(data).answers_[id].error = error;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      Http2Answer& answer = peer(data).answers_[frame->hd.stream_id];
      answer.head_done = answer.status != 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) peer(data).goaway_ = frame->goaway.error_code;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) ++peer(data).pongs_;
    return 0;
  }
  static ssize_t pull(nghttp2_session* session, std::int32_t id, std::uint8_t* into, std::size_t length,
                      std::uint32_t* flags, nghttp2_data_source*, void* data) {
    Body& body = peer(data).bodies_[id];
    const std::size_t bytes = std::min(length, body.left.size());
    body.left.copy(reinterpret_cast<char*>(into), bytes);
    body.left.erase(0, bytes);
    if (body.left.empty() && body.last) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!body.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        Http2Fields fields;
        for (const auto& [name, value] : body.trailers) fields.add(name, value);
        nghttp2_submit_trailer(session, id, fields.list().data(), fields.list().size());
      }
    } else if (bytes == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(bytes);
  }

  void open(Windows windows) {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    const Http2Callbacks callbacks(made);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_option* settings = nullptr;
    nghttp2_option_new(&settings);
    const Http2Option option(settings);
    nghttp2_option_set_no_auto_window_update(settings, windows == Windows::kLeft ? 1 : 0);
    nghttp2_option_set_peer_max_concurrent_streams(settings, 10'000);
    nghttp2_option_set_max_send_header_block_length(settings, 1 << 30);
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new2(&session, made, this, settings);
    session_.reset(session);
  }

  std::int32_t begin(std::string method, std::string path, Fields fields, std::optional<std::string> body, bool last) {
    Http2Fields list;
    list.add(":method", method);
    list.add(":scheme", "http");
    list.add(":authority", "test");
    list.add(":path", path);
    for (const auto& [name, value] : fields) list.add(name, value);
    nghttp2_data_provider provider{};
    provider.read_callback = pull;
    const auto id = nghttp2_submit_request(session_.get(), nullptr, list.list().data(), list.list().size(),
                                           body ? &provider : nullptr, nullptr);
    if (body) bodies_[id] = Body{std::move(*body), last, {}};
    send();
    return id;
  }

  void send() {
    const std::uint8_t* frames = nullptr;
    ssize_t size = 0;
    std::string all;
    while ((size = nghttp2_session_mem_send(session_.get(), &frames)) > 0) {
      all.append(reinterpret_cast<const char*>(frames), static_cast<std::size_t>(size));
    }
    raw_.send(all);
  }

  RawClient raw_;
  Http2Session session_;
  std::string switched_;
  std::map<std::int32_t, Http2Answer> answers_;
  std::map<std::int32_t, Body> bodies_;
  std::optional<std::uint32_t> goaway_;
  int pongs_ = 0;
};

}  // namespace tandem::net
