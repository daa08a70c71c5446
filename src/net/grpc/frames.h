// gRPC's framing: a message is five bytes (whether it is compressed, how long it is) and itself.
//
// Plain values of whoever reads a call; not shared. A message that is over the limit, as it comes or unpacked, one that
// is broken and one in an unknown encoding fail with the code and the words that grpc-go has for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::net::grpc {

inline constexpr std::size_t kFrameHead = 5;

// Writes the head of an uncompressed message to `at`, which has room for it.
void write_frame_head(char* at, std::size_t message_bytes);
void append_frame(std::string& out, std::string_view message);

// How the compressed ones among the messages of a call are.
enum class Encoding { kIdentity, kGzip };
// nullopt: unknown. Empty is identity.
std::optional<Encoding> encoding_of(std::string_view name);

class FrameReader final {
 public:
  FrameReader(Encoding encoding, std::size_t max_message_bytes)
      : encoding_(encoding), max_message_bytes_(max_message_bytes) {}

  // What has come. Kept as long as it is not a whole message.
  void add(std::string_view bytes);
  // The same for everything that there will be, which is not copied and outlives the reader's use.
  void use_last(std::string_view bytes);

  // The next message; nullopt when it has not come. The view lives until the next call of this or of add(). After an
  // error the reader is of no more use.
  Result<std::optional<std::string_view>> next();

  // Whether nothing of a message is there.
  bool empty() const { return left().empty(); }

 private:
  std::string_view left() const {
    return borrowed_.data() != nullptr ? borrowed_ : std::string_view(kept_).substr(at_);
  }
  void take(std::size_t bytes);

  const Encoding encoding_;
  const std::size_t max_message_bytes_;
  std::string kept_;
  std::size_t at_ = 0;         // in kept_
  std::string_view borrowed_;  // in place of kept_, when it is somewhere
  std::string unpacked_;
};

}  // namespace tandem::net::grpc
