#include "blocks/pubsub/protobuf_event.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/utf8.h"

namespace tandem::pubsub {
namespace {

// The wire types of protobuf that are still written.
enum WireType : std::uint64_t { kVarint = 0, kEightBytes = 1, kLength = 2, kFourBytes = 5 };

std::optional<std::uint64_t> take_varint(std::string_view& data) {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !data.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

// id, source, spec_version, type and text_data.
bool is_text_field(std::uint64_t field) { return (field >= 1 && field <= 4) || field == 7; }

}  // namespace

bool is_protobuf_event(std::string_view data) {
  while (!data.empty()) {
    const std::optional<std::uint64_t> tag = take_varint(data);
    if (!tag || *tag >> 3U == 0 || *tag >> 3U > 0x1FFFFFFF) return false;
    std::size_t size = 0;
    switch (*tag & 7U) {
      case kVarint:
        if (!take_varint(data)) return false;
        continue;
      case kEightBytes: size = 8; break;
      case kFourBytes: size = 4; break;
      case kLength: {
        const std::optional<std::uint64_t> length = take_varint(data);
        if (!length || *length > data.size()) return false;
        size = static_cast<std::size_t>(*length);
        if (is_text_field(*tag >> 3U) && !is_utf8(data.substr(0, size))) return false;
        break;
      }
      default: return false;
    }
    if (size > data.size()) return false;
    data.remove_prefix(size);
  }
  return true;
}

}  // namespace tandem::pubsub
