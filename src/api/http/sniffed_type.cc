#include "api/http/sniffed_type.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem::api::http {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLooksAt = 512;

// Tags that tell HTML, after white space and in any case; a space or '>' must follow.
constexpr std::array kTags = {
    "!DOCTYPE HTML"sv, "HTML"sv,  "HEAD"sv, "SCRIPT"sv, "IFRAME"sv, "H1"sv, "DIV"sv, "FONT"sv, "TABLE"sv, "A"sv,
    "STYLE"sv,         "TITLE"sv, "B"sv,    "BODY"sv,   "BR"sv,     "P"sv,  "!--"sv};

// Bytes that tell a type: `first` at the start, `second` from byte `at` on; the whole is `least` bytes or more.
struct Signature {
  std::string_view type;
  std::string_view first;
  std::size_t at = 0;
  std::string_view second = {};
  std::size_t least = 0;
};
constexpr std::array kSignatures = {
    Signature{"application/pdf", "%PDF-"},
    Signature{"application/postscript", "%!PS-Adobe-"},
    Signature{"text/plain; charset=utf-16be", "\xFE\xFF"sv, 0, {}, 4},
    Signature{"text/plain; charset=utf-16le", "\xFF\xFE"sv, 0, {}, 4},
    Signature{"text/plain; charset=utf-8", "\xEF\xBB\xBF"sv, 0, {}, 4},
    Signature{"image/x-icon", "\x00\x00\x01\x00"sv},
    Signature{"image/x-icon", "\x00\x00\x02\x00"sv},
    Signature{"image/bmp", "BM"},
    Signature{"image/gif", "GIF87a"},
    Signature{"image/gif", "GIF89a"},
    Signature{"image/webp", "RIFF", 8, "WEBPVP"},
    Signature{"image/png", "\x89PNG\r\n\x1A\n"sv},
    Signature{"image/jpeg", "\xFF\xD8\xFF"sv},
    Signature{"audio/aiff", "FORM", 8, "AIFF"},
    Signature{"audio/mpeg", "ID3"},
    Signature{"application/ogg", "OggS\x00"sv},
    Signature{"audio/midi", "MThd\x00\x00\x00\x06"sv},
    Signature{"video/avi", "RIFF", 8, "AVI "},
    Signature{"audio/wave", "RIFF", 8, "WAVE"},
    Signature{"video/webm", "\x1A\x45\xDF\xA3"sv},
    Signature{"application/vnd.ms-fontobject", "", 34, "LP"},
    Signature{"font/ttf", "\x00\x01\x00\x00"sv},
    Signature{"font/otf", "OTTO"},
    Signature{"font/collection", "ttcf"},
    Signature{"font/woff", "wOFF"},
    Signature{"font/woff2", "wOF2"},
    Signature{"application/x-gzip", "\x1F\x8B\x08"sv},
    Signature{"application/zip", "PK\x03\x04"sv},
    Signature{"application/x-rar-compressed", "Rar!\x1A\x07\x00"sv},
    Signature{"application/x-rar-compressed", "Rar!\x1A\x07\x01\x00"sv},
    Signature{"application/wasm",
              "\x00"
              "asm"sv},
};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool is_html(std::string_view text) {
  if (!text.starts_with('<')) return false;
  text.remove_prefix(1);
  return std::ranges::any_of(kTags, [&](std::string_view tag) {
    return text.size() > tag.size() && std::ranges::equal(text.substr(0, tag.size()), tag, {}, upper) &&
           (text[tag.size()] == ' ' || text[tag.size()] == '>');
  });
}

bool fits(std::string_view body, const Signature& one) {
  return body.size() >= one.least && body.starts_with(one.first) &&
         (one.second.empty() || (body.size() > one.at && body.substr(one.at).starts_with(one.second)));
}

// A box of type "ftyp" that names a brand which begins with "mp4"; the version, the fourth word, is none.
bool is_mp4(std::string_view body) {
  if (body.size() < 12 || body.substr(4, 4) != "ftyp") return false;
  std::uint32_t size = 0;
  for (const char c : body.substr(0, 4)) size = size << 8 | static_cast<unsigned char>(c);
  if (size > body.size() || size % 4 != 0) return false;
  for (std::size_t at = 8; at < size; at += 4) {
    if (at != 12 && body.substr(at).starts_with("mp4")) return true;
  }
  return false;
}

bool is_binary(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x08 || byte == 0x0B || (byte >= 0x0E && byte <= 0x1F && byte != 0x1B);
}

}  // namespace

std::string_view sniffed_type(std::string_view body) {
  body = body.substr(0, kLooksAt);
  const std::string_view text = body.substr(std::min(body.find_first_not_of("\t\n\f\r "), body.size()));
  if (is_html(text)) return "text/html; charset=utf-8";
  if (text.starts_with("<?xml")) return "text/xml; charset=utf-8";
  const auto found = std::ranges::find_if(kSignatures, [&](const Signature& one) { return fits(body, one); });
  if (found != kSignatures.end()) return found->type;
  if (is_mp4(body)) return "video/mp4";
  return std::ranges::none_of(text, is_binary) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

}  // namespace tandem::api::http
