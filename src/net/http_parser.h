// One HTTP/1.1 message, parsed by Beast's basic_parser into views and in place, with the checks that Beast leaves out.
//
// The owner keeps the bytes: parse_head() takes a complete head (find_head_end() finds it) and its results are views
// into it; decode() takes the framing off body bytes and packs them to the left in the same buffer. One object a
// message. Rejected here because two servers may read them differently (request smuggling): Content-Length with
// Transfer-Encoding, repeated or non-decimal Content-Length, a Transfer-Encoding other than "chunked", chunks in
// HTTP/1.0, folded headers, a lone line feed, no or two Host headers.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace tandem::net {

// The length of the head at the start of `bytes`, with its blank line, looking from `from` on; 0 when it is not
// complete.
std::size_t find_head_end(std::string_view bytes, std::size_t from);

// A line feed at or after `from` that does not follow a carriage return.
bool has_bare_line_feed(std::string_view bytes, std::size_t from);

// True when the first line ends in "HTTP/" and a version, of any number.
bool names_http_version(std::string_view head);

enum class ParseFault { kNone, kMalformed, kTooManyHeaders, kUnsupportedEncoding, kUnsupportedVersion, kBodyTooLarge };

template <bool kRequest>
class HttpParser final : public boost::beast::http::basic_parser<kRequest> {
 public:
  // `headers` is filled by parse_head(); the caller may reuse it for message after message.
  HttpParser(std::vector<Header>& headers, std::size_t max_headers) : headers_(headers), max_headers_(max_headers) {
    headers_.clear();
    this->header_limit(std::numeric_limits<std::uint32_t>::max());  // the owner of the buffer limits the head
    this->body_limit(boost::none);
  }

  ParseFault parse_head(std::string_view head) {
    boost::beast::error_code error;
    const std::size_t used = this->put(boost::asio::const_buffer(head.data(), head.size()), error);
    if (fault_ != ParseFault::kNone) return fault_;
    if (error == boost::beast::http::error::bad_version && names_http_version(head)) {
      return ParseFault::kUnsupportedVersion;
    }
    if (error || used != head.size() || !this->is_header_done()) return ParseFault::kMalformed;
    if (kRequest && version_ >= 11 && hosts_ != 1) return ParseFault::kMalformed;
    if (hosts_ > 1 || (version_ < 11 && this->chunked())) return ParseFault::kMalformed;
    return ParseFault::kNone;
  }

  // Refuses more than this many bytes of body, counted after decoding.
  void limit_body(std::uint64_t bytes) { body_left_ = bytes; }

  // Moves decoded bytes from [raw, raw_end) to `out`, which is not after `raw`. Advances both.
  ParseFault decode(const char*& raw, const char* raw_end, char*& out) {
    out_ = out;
    while (raw < raw_end && !this->is_done()) {
      boost::beast::error_code error;
      const auto size = static_cast<std::size_t>(raw_end - raw);
      raw += this->put(boost::asio::const_buffer(raw, size), error);
      if (error == boost::beast::http::error::need_more) {
        error = {};
        if (has_bare_line_feed({raw, static_cast<std::size_t>(raw_end - raw)}, 0)) fault_ = ParseFault::kMalformed;
        break;
      }
      if (error && fault_ == ParseFault::kNone) fault_ = ParseFault::kMalformed;
      if (error) break;
    }
    out = out_;
    return fault_;
  }

  std::string_view method() const { return method_; }
  std::string_view target() const { return target_; }
  std::string_view host() const { return host_; }
  std::optional<std::string_view> expect() const { return expect_; }
  int status() const { return status_; }
  int version() const { return version_; }
  // Views into the raw bytes of the last decode().
  Headers trailers() const { return trailers_; }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;
  using field = boost::beast::http::field;

  static std::string_view view(string_view text) { return {text.data(), text.size()}; }

  void refuse(ParseFault fault, error_code& error) {
    fault_ = fault;
    error = boost::beast::http::error::bad_value;
  }

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    method_ = view(method);
    target_ = view(target);
    version_ = version;
  }

  void on_response_impl(int status, string_view, int version, error_code&) override {
    status_ = status;
    version_ = version;
  }

  void on_field_impl(field name_code, string_view name, string_view value, error_code& error) override {
    std::vector<Header>& into = head_done_ ? trailers_ : headers_;
    if (into.size() >= max_headers_) return refuse(ParseFault::kTooManyHeaders, error);
    // A folded value is a copy of Beast's own, or starts on a later line than its name.
    const char* name_end = name.data() + name.size();
    if (!value.empty()) {
      if (value.data() < name_end || std::memchr(name_end, '\n', static_cast<std::size_t>(value.data() - name_end))) {
        return refuse(ParseFault::kMalformed, error);
      }
      if (std::memchr(value.data(), '\0', value.size())) return refuse(ParseFault::kMalformed, error);
    }
    into.push_back(Header{view(name), view(value)});
    if (!head_done_) check_framing(name_code, view(value), error);
  }

  void check_framing(field name_code, std::string_view value, error_code& error) {
    switch (name_code) {
      case field::host:
        ++hosts_;
        host_ = value;
        break;
      case field::expect: expect_ = value; break;
      case field::content_length:
        if (++lengths_ > 1 || value.empty() || value.size() > 19 ||
            value.find_first_not_of("0123456789") != std::string_view::npos) {
          refuse(ParseFault::kMalformed, error);
        }
        break;
      case field::transfer_encoding:
        if (lengths_ > 0) return refuse(ParseFault::kMalformed, error);
        if (!equals_ignoring_case(value, "chunked")) refuse(ParseFault::kUnsupportedEncoding, error);
        break;
      default: break;
    }
  }

  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(string_view body, error_code& error) override { return take(body, error); }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& error) override {
    return take(body, error);
  }
  void on_chunk_header_impl(std::uint64_t size, string_view, error_code& error) override {
    if (size > body_left_) refuse(ParseFault::kBodyTooLarge, error);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t take(string_view body, error_code& error) {
    if (body.size() > body_left_) {
      refuse(ParseFault::kBodyTooLarge, error);
      return 0;
    }
    body_left_ -= body.size();
    if (out_ != body.data()) std::memmove(out_, body.data(), body.size());
    out_ += body.size();
    return body.size();
  }

  std::vector<Header>& headers_;
  std::vector<Header> trailers_;
  const std::size_t max_headers_;
  std::string_view method_;
  std::string_view target_;
  std::string_view host_;
  std::optional<std::string_view> expect_;
  int status_ = 0;
  int version_ = 11;
  int hosts_ = 0;
  int lengths_ = 0;
  bool head_done_ = false;
  ParseFault fault_ = ParseFault::kNone;
  std::uint64_t body_left_ = std::numeric_limits<std::uint64_t>::max();
  char* out_ = nullptr;
};

}  // namespace tandem::net
