#include "net/grpc/frames.h"

#include <fmt/format.h>

#include <utility>

#include "net/grpc/gunzip.h"

namespace tandem::net::grpc {
namespace {

constexpr std::size_t kKept = 64 * 1024;  // of an empty buffer's room

std::size_t length_of(std::string_view head) {
  std::size_t length = 0;
  for (const char byte : head.substr(1, 4)) length = length << 8 | static_cast<unsigned char>(byte);
  return length;
}

}  // namespace

void write_frame_head(char* at, std::size_t message_bytes) {
  at[0] = 0;
  for (int i = 0; i < 4; ++i) at[1 + i] = static_cast<char>(message_bytes >> (24 - 8 * i) & 0xff);
}

void append_frame(std::string& out, std::string_view message) {
  char head[kFrameHead];
  write_frame_head(head, message.size());
  out.append(head, kFrameHead);
  out += message;
}

std::optional<Encoding> encoding_of(std::string_view name) {
  if (name.empty() || name == "identity") return Encoding::kIdentity;
  if (name == "gzip") return Encoding::kGzip;
  return std::nullopt;
}

void FrameReader::add(std::string_view bytes) {
  if (at_ > 0) {
    kept_.erase(0, at_);
    at_ = 0;
    if (kept_.empty() && kept_.capacity() > kKept) kept_ = {};
  }
  kept_ += bytes;
}

void FrameReader::use_last(std::string_view bytes) {
  if (empty() && bytes.data() != nullptr) {
    borrowed_ = bytes;
  } else {
    add(bytes);
  }
}

void FrameReader::take(std::size_t bytes) {
  if (borrowed_.data() != nullptr) {
    borrowed_.remove_prefix(bytes);
  } else {
    at_ += bytes;
  }
}

Result<std::optional<std::string_view>> FrameReader::next() {
  const std::string_view bytes = left();
  if (bytes.size() < kFrameHead) return std::nullopt;
  const std::size_t length = length_of(bytes);
  if (length > max_message_bytes_) {
    return fail(Code::kResourceExhausted,
                fmt::format("grpc: received message larger than max ({} vs. {})", length, max_message_bytes_));
  }
  const auto flags = static_cast<unsigned char>(bytes[0]);
  if (flags > 1) {
    return fail(Code::kInternal, fmt::format("grpc: received unexpected payload format {}", unsigned{flags}));
  }
  if (flags == 1 && encoding_ == Encoding::kIdentity) {
    return fail(Code::kInternal, "grpc: compressed flag set with identity or empty encoding");
  }
  if (bytes.size() - kFrameHead < length) return std::nullopt;
  const std::string_view message = bytes.substr(kFrameHead, length);
  take(kFrameHead + length);
  if (flags == 0) return message;
  auto unpacked = gunzip(message, max_message_bytes_);
  if (!unpacked) return fail(std::move(unpacked.error()));
  unpacked_ = std::move(*unpacked);
  return std::string_view(unpacked_);
}

}  // namespace tandem::net::grpc
