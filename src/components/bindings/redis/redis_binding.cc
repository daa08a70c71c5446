#include "components/bindings/redis/redis_binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/duration.h"

namespace tandem::components {
namespace {

using bindings::InvokeAnswer;
using bindings::InvokeRequest;
using Kind = RedisClient::Kind;

constexpr std::array<std::string_view, 4> kOperations = {"create", "delete", "get", "increment"};

Error redis_error(const RedisValue& value) { return make_error(Code::kInternal, value.text); }

std::string value_of(const Metadata& metadata, std::string_view name) {
  const auto found = metadata.find(name);
  return found == metadata.end() ? std::string() : found->second;
}

// In whole seconds, as a word of a command; empty: for ever. A duration that is over at once is "0". Names compare
// without regard to case, as in Dapr.
Result<std::string> ttl_word(const Metadata& metadata) {
  for (const std::string_view name : {"ttl", "ttlInSeconds"}) {
    for (const auto& [key, text] : metadata) {
      if (!equals_ignoring_case(key, name) || text.empty()) continue;
      std::int64_t seconds = 0;
      if (const auto duration = config::parse_duration(text)) {
        seconds = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(*duration).count(), 0);
      } else {
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
        if (failure != std::errc() || end != text.data() + text.size()) {
          return fail(Code::kInvalidArgument, fmt::format("ttl value must be a valid integer: actual is '{}'", text));
        }
        if (seconds <= 0) {
          return fail(Code::kInvalidArgument, fmt::format("ttl value must be higher than zero: actual is '{}'", text));
        }
      }
      return fmt::format("{}", seconds);
    }
  }
  return std::string();
}

}  // namespace

Result<std::unique_ptr<RedisBinding>> RedisBinding::open(RedisOptions options, net::Workers& workers,
                                                         SteadyTime deadline) {
  Result<RedisClient::Opened> opened =
      RedisClient::open(std::move(options), workers, {encode_command({"PING"})}, deadline);
  if (!opened) return fail(std::move(opened.error()));
  if (opened->answers[0].is_error()) return fail(redis_error(opened->answers[0]));
  return std::unique_ptr<RedisBinding>(new RedisBinding(std::move(opened->client)));
}

std::span<const std::string_view> RedisBinding::operations() const { return kOperations; }

void RedisBinding::invoke(const CallContext& context, InvokeRequest request, Completion<InvokeAnswer> done) {
  std::string key = value_of(request.metadata, "key");
  if (key.empty()) {
    return done(fail(Code::kInvalidArgument, "redis binding: missing key in request metadata"));
  }
  if (request.operation == "get") return get(context.deadline, request, key, std::move(done));
  if (request.operation == "delete") {
    return write(context.deadline, encode_command({"DEL", key}), key, std::move(done));
  }
  Result<std::string> ttl = ttl_word(request.metadata);
  if (!ttl) return done(fail(std::move(ttl.error())));
  if (request.operation == "increment") {
    return increment(context.deadline, std::move(key), std::move(*ttl), std::move(done));
  }
  // Redis refuses an EX of none; daprd's EXPIRE behind its SET takes the value away.
  if (*ttl == "0") return write(context.deadline, encode_command({"DEL", key}), key, std::move(done));
  std::vector<std::string_view> words = {"SET", key, request.data};
  if (!ttl->empty()) words.insert(words.end(), {"EX", *ttl});
  write(context.deadline, encode_command(words), key, std::move(done));
}

void RedisBinding::get(SteadyTime deadline, const InvokeRequest& request, const std::string& key,
                       Completion<InvokeAnswer> done) {
  const bool takes_away = value_of(request.metadata, "delete") == "true";
  client_->send({.command = encode_command({takes_away ? "GETDEL" : "GET", key}),
                 .kind = takes_away ? Kind::kWrite : Kind::kRead,
                 .key = key},
                deadline, [done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  // A key that is not there has an empty value, as in daprd.
                  done(InvokeAnswer{.data = share(std::move(answer->text))});
                });
}

void RedisBinding::increment(SteadyTime deadline, std::string key, std::string ttl, Completion<InvokeAnswer> done) {
  std::string command = encode_command({"INCR", key});
  std::string expire = ttl.empty() ? std::string() : encode_command({"EXPIRE", key, ttl});
  const std::string of = key;
  write(deadline, std::move(command), of,
        [this, deadline, key = std::move(key), expire = std::move(expire),
         done = std::move(done)](Result<InvokeAnswer> answer) mutable {
          if (!answer || expire.empty()) return done(std::move(answer));
          write(deadline, std::move(expire), key, std::move(done));
        });
}

void RedisBinding::write(SteadyTime deadline, std::string command, std::string_view key,
                         Completion<InvokeAnswer> done) {
  client_->send({.command = std::move(command), .kind = Kind::kWrite, .key = key}, deadline,
                [done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  done(InvokeAnswer{});
                });
}

}  // namespace tandem::components
