#include "net/http2_session.h"

namespace tandem::net {

Http2Session make_http2_session(const Http2Setup& setup, const Http2Callbacks& callbacks, void* data) {
  nghttp2_option* made_option = nullptr;
  nghttp2_option_new(&made_option);
  const Http2Option option(made_option);
  nghttp2_option_set_no_auto_window_update(made_option, 1);
  nghttp2_option_set_no_closed_streams(made_option, 1);
  nghttp2_option_set_max_send_header_block_length(made_option, setup.max_head_bytes);
  if (setup.max_waiting_acks) nghttp2_option_set_max_outbound_ack(made_option, *setup.max_waiting_acks);

  nghttp2_session* made = nullptr;
  const auto open = setup.end == Http2End::kServer ? nghttp2_session_server_new2 : nghttp2_session_client_new2;
  open(&made, callbacks.get(), data, made_option);
  Http2Session session(made);
  nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, setup.settings.data(), setup.settings.size());
  nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, setup.connection_window);
  return session;
}

}  // namespace tandem::net
