// nghttp2 as the rest of net/ uses it: its objects owned, and header lists in the form that it takes and HTTP/2 wants.
//
// A session belongs to one connection and its worker; nothing here is shared.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace tandem::net {

struct Http2Deleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

using Http2Session = std::unique_ptr<nghttp2_session, Http2Deleter>;
using Http2Callbacks = std::unique_ptr<nghttp2_session_callbacks, Http2Deleter>;
using Http2Option = std::unique_ptr<nghttp2_option, Http2Deleter>;

// What a client with prior knowledge of HTTP/2 sends first.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A header list on its way into a frame. Names are made lower case, and what is about a connection of HTTP/1.1 is left
// out (RFC 9113, 8.2.2).
class Http2Fields final {
 public:
  void clear();
  // Pseudo headers first, in lower case.
  void add(std::string_view name, std::string_view value);
  void add_number(std::string_view name, std::uint64_t number);
  // All but the framing; false when one is not valid HTTP, and then the list is of no use.
  bool add_all(Headers headers);
  // The same for trailers: an invalid one is left out.
  void add_trailers(Headers trailers);

  // Valid until the next change.
  const std::vector<nghttp2_nv>& list();
  bool empty() const { return places_.empty(); }

 private:
  struct Place {
    std::size_t at;
    std::size_t name;
    std::size_t value;
  };

  std::string text_;
  std::vector<Place> places_;
  std::vector<nghttp2_nv> list_;
};

// Received header fields, kept in one piece: views of them stay where they are once seal() was called.
class Http2Received final {
 public:
  // False when they are over one of the limits; what came before stays.
  bool add(std::string_view name, std::string_view value, std::size_t max_bytes, std::size_t max_fields);
  // Makes the views of everything but pseudo headers. Several Cookie fields become one (RFC 9113, 8.2.3).
  void seal();

  // A pseudo header, empty when it did not come.
  std::string_view pseudo(std::string_view name) const;
  Headers headers() const { return headers_; }

 private:
  struct Place {
    std::size_t at;
    std::size_t name;
    std::size_t value;
  };
  Header view(const Place& place) const;

  std::string text_;
  std::vector<Place> places_;
  std::size_t bytes_ = 0;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts them
  std::string cookies_;
  std::vector<Header> headers_;
};

// The payload of an HTTP2-Settings header (base64url without padding, RFC 7540, 3.2.1). False when it is none.
bool decode_http2_settings(std::string_view text, std::string& payload);

}  // namespace tandem::net
