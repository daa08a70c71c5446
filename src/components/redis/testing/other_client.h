// For tests: another program that uses the same Redis, with commands as they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "components/redis/redis_connection.h"
#include "components/redis/redis_options.h"
#include "net/worker.h"

namespace tandem::components {

inline RedisOptions server_at(std::uint16_t port) {
  RedisOptions options;
  options.addresses = {{"127.0.0.1", port}};
  return options;
}

// Each call waits for its answer.
class OtherClient final {
 public:
  explicit OtherClient(RedisOptions options) : options_(std::move(options)), loop_(1) {
    loop_[0].post([this] { connection_ = std::make_unique<RedisConnection>(loop_[0], options_); });
    loop_.start();
  }
  ~OtherClient() { loop_.stop(); }

  Result<RedisValue> ask(std::vector<std::string> words) {
    std::promise<Result<RedisValue>> promise;
    std::future<Result<RedisValue>> answer = promise.get_future();
    loop_[0].post([&] {
      const std::vector<std::string_view> views(words.begin(), words.end());
      connection_->send({.command = encode_command(views),
                         .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10),
                         .done = [&](Result<RedisValue> value) { promise.set_value(std::move(value)); }});
    });
    return answer.get();
  }
  std::int64_t number(std::vector<std::string> words) { return ask(std::move(words))->integer; }
  std::map<std::string, std::string> hash(std::string key) {
    std::map<std::string, std::string> fields;
    const Result<RedisValue> answer = ask({"HGETALL", std::move(key)});
    for (std::size_t i = 0; i + 1 < answer->items.size(); i += 2) {
      fields[answer->items[i].text] = answer->items[i + 1].text;
    }
    return fields;
  }

 private:
  const RedisOptions options_;
  net::Workers loop_;
  std::unique_ptr<RedisConnection> connection_;
};

}  // namespace tandem::components
