// Writes the head of an HTTP/1.1 message into a string that its owner reuses.
//
// Pure functions, any thread; HttpDate belongs to one thread. valid_header() is what keeps a guest's header from
// splitting an answer: callers check before they append.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tandem::net {

// "Not Found", in the words of Go's HTTP server; empty for a status that it has none for.
std::string_view reason_phrase(int status);

// A token as the name, and no control character other than a tab in the value.
bool valid_header(const Header& header);
bool valid_token(std::string_view text);

// Content-Length, Transfer-Encoding, Connection and Keep-Alive: set by net/ and never by a caller.
bool is_framing_header(std::string_view name);

// The value of a Content-Length; nothing for anything but a decimal number.
std::optional<std::uint64_t> parse_length(std::string_view text);

void append_status_line(std::string& out, int status);
void append_header(std::string& out, std::string_view name, std::string_view value);
void append_number(std::string& out, std::uint64_t number);
// The line in front of a chunk of `size` bytes.
void append_chunk_size(std::string& out, std::size_t size);

// The Date header, made again once a second.
class HttpDate final {
 public:
  // "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
  std::string_view line();

 private:
  std::time_t second_ = 0;
  std::string line_;
};

}  // namespace tandem::net
