// Fuzzes gRPC's framing: a byte for the encoding and how the rest is cut, and the bytes of a call's body.
//
// What comes in pieces and what comes whole are the same messages and the same end; no message is over the limit,
// unpacked or not; and the texts of a call's head never come out as something else than they went in.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/grpc/call_text.h"
#include "net/grpc/frames.h"

namespace {

using namespace tandem;
using namespace tandem::net::grpc;

constexpr std::size_t kLimit = 10'000;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Seen {
  std::vector<std::string> messages;
  std::string error;
  bool operator==(const Seen&) const = default;
};

// False: there will be no more.
bool take(FrameReader& reader, Seen& seen) {
  while (true) {
    const auto message = reader.next();
    if (!message) {
      require(message.error().code == Code::kInternal || message.error().code == Code::kResourceExhausted);
      seen.error = message.error().message;
      return false;
    }
    if (!*message) return true;
    require((*message)->size() <= kLimit);
    seen.messages.emplace_back(**message);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const Encoding encoding = (data[0] & 1) != 0 ? Encoding::kGzip : Encoding::kIdentity;
  const std::size_t piece = (data[0] >> 1) + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);

  Seen whole;
  FrameReader all(encoding, kLimit);
  all.use_last(bytes);
  take(all, whole);

  Seen pieces;
  FrameReader some(encoding, kLimit);
  std::string_view left = bytes;
  while (!left.empty()) {
    const std::string copy(left.substr(0, piece));
    left.remove_prefix(copy.size());
    some.add(copy);
    if (!take(some, pieces)) break;
  }
  require(whole == pieces);
  if (whole.error.empty()) require(all.empty() == some.empty());

  require(decode_binary(encode_binary(bytes)) == std::string(bytes));
  for (const char byte : encode_message(bytes)) require(byte >= ' ' && byte <= '~');
  (void)decode_binary(bytes);
  const auto now = std::chrono::steady_clock::now();
  if (const auto deadline = deadline_of(bytes, now)) require(*deadline >= now);
  return 0;
}
