// Redis's protocol (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/): commands to bytes, bytes to
// values. hiredis reads them and stays behind this header.
//
// A reader belongs to one connection; everything else any thread. encode_command() cannot fail.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tandem::components {

struct RedisValue {
  enum class Type { kNil, kStatus, kError, kInteger, kString, kArray };
  Type type = Type::kNil;
  std::int64_t integer = 0;
  std::string text;  // of kStatus, kError, kString
  std::vector<RedisValue> items;

  bool is_nil() const { return type == Type::kNil; }
  bool is_error() const { return type == Type::kError; }
  // "NOSCRIPT" of "NOSCRIPT No matching script.": what an error's text begins with.
  bool is_error(std::string_view code) const;
};

std::string encode_command(std::span<const std::string_view> words);
inline std::string encode_command(std::initializer_list<std::string_view> words) {
  return encode_command(std::span(words.begin(), words.size()));
}

class RedisReader final {
 public:
  // A reply with more is refused: it would be memory for whatever a broken server says.
  static constexpr std::size_t kMaxReplyBytes = std::size_t{1} << 30;
  static constexpr int kMaxItems = 1 << 20;  // of one array

  RedisReader();
  ~RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;

  Status feed(std::string_view bytes);
  // The next whole reply; none: more bytes are needed. Fails with kInternal when this is not Redis's protocol: nothing
  // after it makes sense.
  Result<std::optional<RedisValue>> next();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::components
