// How both ends of HTTP/2 set a session of nghttp2 up, and the callbacks that only hand a stream what has come for it.
//
// A session belongs to one connection and its worker. Nothing here fails but for want of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/http2_library.h"

namespace tandem::net {

// `Events` is the end's own: static functions in nghttp2's form, and stream(session, id, data), which points to what
// takes a header field of that stream, on_field() or on_invalid(), or is null when there is none.
template <class Events>
struct Http2FieldCallbacks {
  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                    void* data) {
    if (const auto stream = Events::stream(session, frame->hd.stream_id, data)) {
      stream->on_field({reinterpret_cast<const char*>(name), name_size},
                       {reinterpret_cast<const char*>(value), value_size});
    }
    return 0;
  }

  static int invalid_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t*, std::size_t,
                            const std::uint8_t*, std::size_t, std::uint8_t, void* data) {
    if (const auto stream = Events::stream(session, frame->hd.stream_id, data)) stream->on_invalid();
    return 0;
  }
};

// Those, and frame_received(), invalid_frame(), data_received(), send_data() and stream_closed() of `Events`.
template <class Events>
Http2Callbacks make_http2_callbacks() {
  nghttp2_session_callbacks* made = nullptr;
  nghttp2_session_callbacks_new(&made);
  Http2Callbacks callbacks(made);
  nghttp2_session_callbacks_set_on_header_callback(made, Http2FieldCallbacks<Events>::header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(made, Http2FieldCallbacks<Events>::invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, Events::frame_received);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, Events::invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Events::data_received);
  nghttp2_session_callbacks_set_send_data_callback(made, Events::send_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, Events::stream_closed);
  return callbacks;
}

enum class Http2End { kServer, kClient };

struct Http2Setup {
  Http2End end;
  std::size_t max_head_bytes;                   // of a head that is sent
  std::optional<std::size_t> max_waiting_acks;  // nullopt: nghttp2's own limit
  std::int32_t connection_window;               // bytes of bodies that have come and are not taken, at most
  std::span<const nghttp2_settings_entry> settings;
};

// Windows are opened by hand, for what has been taken; closed streams are forgotten. `data` goes to the callbacks.
Http2Session make_http2_session(const Http2Setup& setup, const Http2Callbacks& callbacks, void* data);

}  // namespace tandem::net
