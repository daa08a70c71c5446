// A Lua script as a server knows it: called by its digest once it was loaded, else by its whole text.
// Constant after it was made; any thread. Nothing fails.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "components/redis/redis_codec.h"

namespace tandem::components {

class RedisScript final {
 public:
  // What loads `text`, a constant; the server's answer goes to the constructor.
  static std::string load_command(std::string_view text) { return encode_command({"SCRIPT", "LOAD", text}); }

  RedisScript(std::string_view text, const RedisValue& loaded) : text_(text) {
    // A user may lack the right to load scripts, and still call them.
    if (loaded.type == RedisValue::Type::kString) digest_ = loaded.text;
  }

  std::string call_command(std::span<const std::string_view> keys, std::span<const std::string_view> arguments) const {
    const std::string count = std::to_string(keys.size());
    std::vector<std::string_view> words;
    words.reserve(3 + keys.size() + arguments.size());
    words.push_back(digest_.empty() ? "EVAL" : "EVALSHA");
    words.push_back(digest_.empty() ? text_ : digest_);
    words.push_back(count);
    words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), arguments.begin(), arguments.end());
    return encode_command(words);
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::string digest_;
};

}  // namespace tandem::components
