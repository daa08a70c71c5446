#include "net/http2_library.h"

#include <algorithm>

#include "base/base64.h"
#include "base/text.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

constexpr std::size_t kFieldOverhead = 32;  // RFC 9113, 6.5.2
constexpr std::size_t kSettingBytes = 6;

bool is_about_connection(std::string_view name) {
  return equals_ignoring_case(name, "upgrade") ||
         (is_framing_header(name) && !equals_ignoring_case(name, "content-length"));
}

// HTTP/1.1 reads them off a value, HTTP/2 refuses them.
bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::uint8_t* bytes(char* text) { return reinterpret_cast<std::uint8_t*>(text); }

}  // namespace

void Http2Fields::clear() {
  text_.clear();
  places_.clear();
}

void Http2Fields::add(std::string_view name, std::string_view value) {
  while (is_blank(value.empty() ? 'x' : value.front())) value.remove_prefix(1);
  while (is_blank(value.empty() ? 'x' : value.back())) value.remove_suffix(1);
  places_.push_back({text_.size(), name.size(), value.size()});
  for (const char c : name) text_ += to_lower(c);
  text_ += value;
}

void Http2Fields::add_number(std::string_view name, std::uint64_t number) {
  std::string digits;
  append_number(digits, number);
  add(name, digits);
}

bool Http2Fields::add_all(Headers headers) {
  for (const Header& header : headers) {
    if (!valid_header(header)) return false;
    if (!is_framing_header(header.name) && !is_about_connection(header.name)) add(header.name, header.value);
  }
  return true;
}

void Http2Fields::add_trailers(Headers trailers) {
  for (const Header& header : trailers) {
    if (valid_header(header) && !is_framing_header(header.name) && !is_about_connection(header.name)) {
      add(header.name, header.value);
    }
  }
}

const std::vector<nghttp2_nv>& Http2Fields::list() {
  list_.clear();
  for (const Place& place : places_) {
    list_.push_back({bytes(text_.data() + place.at), bytes(text_.data() + place.at + place.name), place.name,
                     place.value, NGHTTP2_NV_FLAG_NONE});
  }
  return list_;
}

bool Http2Received::add(std::string_view name, std::string_view value, std::size_t max_bytes, std::size_t max_fields) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  if (bytes_ > max_bytes || places_.size() >= max_fields) return false;
  places_.push_back({text_.size(), name.size(), value.size()});
  text_.append(name).append(value);
  return true;
}

Header Http2Received::view(const Place& place) const {
  const std::string_view all(text_);
  return {all.substr(place.at, place.name), all.substr(place.at + place.name, place.value)};
}

void Http2Received::seal() {
  headers_.reserve(places_.size());
  const auto is_cookie = [](const Header& header) { return header.name == "cookie"; };
  std::size_t cookies = 0;
  for (const Place& place : places_) {
    const Header header = view(place);
    if (header.name.starts_with(':')) continue;
    if (is_cookie(header)) {
      if (++cookies > 1) cookies_ += "; ";
      cookies_ += header.value;
      if (cookies > 1) continue;
    }
    headers_.push_back(header);
  }
  if (cookies > 1) std::ranges::find_if(headers_, is_cookie)->value = cookies_;
}

std::string_view Http2Received::pseudo(std::string_view name) const {
  for (const Place& place : places_) {
    const Header header = view(place);
    if (header.name == name) return header.value;
  }
  return {};
}

bool decode_http2_settings(std::string_view text, std::string& payload) {
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  while (standard.size() % 4 != 0) standard += '=';
  Result<std::string> decoded = base64_decode(standard);
  if (!decoded || decoded->size() % kSettingBytes != 0) return false;
  payload = std::move(*decoded);
  return true;
}

}  // namespace tandem::net
