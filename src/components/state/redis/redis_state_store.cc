#include "components/state/redis/redis_state_store.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <type_traits>
#include <utility>
#include <variant>

#include "components/state/redis/redis_scripts.h"

namespace tandem::components {
namespace {

namespace json = boost::json;
using state::Concurrency;
using Lane = RedisClient::Lane;
using Kind = RedisClient::Kind;

constexpr std::string_view kNoETag = "0";
constexpr int kReplicaWaitMs = 1000;

Error redis_error(const RedisValue& value) { return make_error(Code::kInternal, "Redis: " + value.text); }

Error unexpected_answer() { return make_error(Code::kInternal, "Redis answers what was not asked for"); }

// "connected_slaves:2" of INFO's answer.
int connected_replicas(std::string_view info) {
  constexpr std::string_view kLine = "connected_slaves:";
  const std::size_t at = info.find(kLine);
  int count = 0;
  if (at != std::string_view::npos) {
    const std::string_view number = info.substr(at + kLine.size());
    std::from_chars(number.data(), number.data() + number.size(), count);
  }
  return count;
}

// The ETag as the scripts compare it: daprd reads a number, so "+07" is 7.
Result<std::string> etag_word(const std::optional<std::string>& etag) {
  if (!etag || etag->empty()) return std::string(kNoETag);
  const char* first = etag->data();
  const char* const last = first + etag->size();
  if (*first == '+' && etag->size() > 1 && first[1] != '-') ++first;
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(first, last, number);
  if (failure != std::errc() || end != last) {
    return fail(state::etag_invalid("strconv.Atoi: parsing \"" + *etag + "\": invalid syntax"));
  }
  return std::to_string(number);
}

bool has_etag(const std::optional<std::string>& etag) { return etag && !etag->empty(); }

// What the JSON scripts store; a value that is not JSON cannot be.
Result<std::string> json_object(std::string_view value) {
  boost::system::error_code error;
  json::stream_parser parser;
  parser.write(value.data(), value.size(), error);
  if (!error) parser.finish(error);
  if (error) return fail(Code::kInvalidArgument, "the value is not JSON, as its contentType says: " + error.message());
  return "{\"data\":" + std::string(value) + "}";
}

Result<state::GetResponse> read_json(const RedisValue& value) {
  if (value.is_nil()) return state::GetResponse{};
  boost::system::error_code error;
  const json::value parsed = json::parse(value.text, error);
  const json::object* object = error ? nullptr : parsed.if_object();
  if (object == nullptr) return fail(Code::kInternal, "the value in Redis is not JSON as Dapr writes it");
  state::GetResponse response;
  const json::value* data = object->if_contains("data");
  response.data = share(data == nullptr ? "null" : json::serialize(*data));
  if (const json::value* version = object->if_contains("version")) response.etag = json::serialize(*version);
  return response;
}

// HMGET's answer: data and version.
Result<state::GetResponse> read_hash(RedisValue& value) {
  if (value.items.size() != 2) return fail(unexpected_answer());
  RedisValue& data = value.items[0];
  RedisValue& version = value.items[1];
  if (data.is_nil() && version.is_nil()) return state::GetResponse{};
  if (data.is_nil() || version.is_nil()) {
    return fail(Code::kInternal, "required hash field 'data' or 'version' was not found");
  }
  return state::GetResponse{.data = share(std::move(data.text)), .etag = std::move(version.text)};
}

}  // namespace

Result<std::unique_ptr<RedisStateStore>> RedisStateStore::open(RedisStateOptions options, net::Workers& workers,
                                                               SteadyTime deadline) {
  constexpr std::array kTexts{&kSetScript, &kDeleteScript, &kTransactionScript, &kSetJsonScript, &kDeleteJsonScript};
  std::vector<std::string> questions = {encode_command({"PING"}), encode_command({"INFO", "replication"}),
                                        encode_command({"JSON.GET"})};
  for (const std::string_view* text : kTexts) questions.push_back(RedisScript::load_command(*text));
  Result<RedisClient::Opened> opened =
      RedisClient::open(std::move(options.redis), workers, std::move(questions), deadline);
  if (!opened) return fail(std::move(opened.error()));
  const std::vector<RedisValue>& answers = opened->answers;
  if (answers[0].is_error()) return fail(redis_error(answers[0]));
  const int replicas = answers[1].is_error() ? 0 : connected_replicas(answers[1].text);
  // Without arguments it fails in any case; only the reason tells.
  const bool has_json = !answers[2].text.starts_with("ERR unknown command");
  const auto script = [&](std::size_t i) { return RedisScript(*kTexts[i], answers[3 + i]); };
  return std::unique_ptr<RedisStateStore>(new RedisStateStore(std::move(opened->client),
                                                              {script(0), script(1), script(2), script(3), script(4)},
                                                              options.ttl_seconds, replicas, has_json));
}

RedisStateStore::RedisStateStore(std::unique_ptr<RedisClient> client, Scripts scripts,
                                 std::optional<std::int64_t> ttl_seconds, int replicas, bool has_json)
    : client_(std::move(client)),
      scripts_(std::move(scripts)),
      ttl_seconds_(ttl_seconds),
      replicas_(replicas),
      has_json_(has_json) {}

RedisStateStore::~RedisStateStore() { close(std::chrono::steady_clock::now()); }

state::Features RedisStateStore::features() const {
  using Negative = state::TtlRules::Negative;
  return {.etag = true,
          .transactional = true,
          .ttl = true,
          .ttl_rules = {.before = "failed to parse ttl from metadata: ", .negative = Negative::kForEver},
          .checked_options = {.transacted_set = false, .transacted_remove = false}};
}

bool RedisStateStore::is_json(const Metadata& metadata) const {
  if (!has_json_ || metadata.empty()) return false;
  const auto found = metadata.find(std::string_view("contentType"));
  return found != metadata.end() && found->second == "application/json";
}

std::string RedisStateStore::ttl_word(const state::SetRequest& request) const {
  const std::optional<std::int64_t> ttl = request.ttl_seconds ? request.ttl_seconds : ttl_seconds_;
  return ttl ? std::to_string(*ttl) : std::string();
}

void RedisStateStore::ping(const CallContext& context, Completion<void> done) {
  client_->send({.command = encode_command({"PING"})}, context.deadline,
                [done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  done({});
                });
}

void RedisStateStore::get(const CallContext& context, const state::GetRequest& request,
                          Completion<state::GetResponse> done) {
  if (request.metadata != nullptr && is_json(*request.metadata)) {
    return client_->send({.command = encode_command({"JSON.GET", request.key}), .key = request.key}, context.deadline,
                         [done = std::move(done)](Result<RedisValue> answer) mutable {
                           if (!answer) return done(fail(std::move(answer.error())));
                           if (answer->is_error()) return done(fail(redis_error(*answer)));
                           done(read_json(*answer));
                         });
  }
  client_->send({.command = encode_command({"HMGET", request.key, "data", "version"}), .key = request.key},
                context.deadline,
                [this, deadline = context.deadline, key = std::string(request.key),
                 done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error("WRONGTYPE")) return get_plain(deadline, std::move(key), std::move(done));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  done(read_hash(*answer));
                });
}

// A string that somebody else has put there has no ETag.
void RedisStateStore::get_plain(SteadyTime deadline, std::string key, Completion<state::GetResponse> done) {
  client_->send({.command = encode_command({"GET", key}), .key = key}, deadline,
                [done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  if (answer->is_nil()) return done(state::GetResponse{});
                  done(state::GetResponse{.data = share(std::move(answer->text))});
                });
}

template <class Refused>
void RedisStateStore::run(RedisClient::Request request, SteadyTime deadline, Completion<void> done, Refused refused) {
  client_->send(std::move(request), deadline,
                [done = std::move(done), refused = std::move(refused)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(std::move(answer.error())));
                  if (answer->is_error()) return done(fail(redis_error(*answer)));
                  if (answer->type != RedisValue::Type::kInteger) return done(fail(unexpected_answer()));
                  if (answer->integer == 0) return done(fail(refused()));
                  done({});
                });
}

void RedisStateStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  // The last write wins whatever ETag it brings.
  const bool last_wins = request.concurrency == Concurrency::kLastWrite;
  Result<std::string> etag = etag_word(last_wins ? std::nullopt : request.etag);
  if (!etag) return done(fail(std::move(etag.error())));
  const bool as_json = is_json(request.metadata);
  std::string object;
  if (as_json) {
    Result<std::string> made = json_object(*request.value);
    if (!made) return done(fail(std::move(made.error())));
    object = std::move(*made);
  }
  const RedisScript& script = as_json ? scripts_.set_json : scripts_.set;
  const std::array<std::string_view, 1> keys{request.key};
  const std::string ttl = ttl_word(request);
  const std::array<std::string_view, 4> arguments{*etag, as_json ? std::string_view(object) : *request.value,
                                                  request.concurrency == Concurrency::kFirstWrite ? "0" : "1", ttl};
  std::string command = script.call_command(keys, arguments);
  const bool waits = request.consistency == state::Consistency::kStrong && replicas_ > 0;
  if (waits) {
    done = [this, key = request.key, deadline = context.deadline,
            done = std::move(done)](Result<void> written) mutable {
      if (!written) return done(std::move(written));
      wait_for_replicas(key, deadline, std::move(done));
    };
  }
  run({.command = std::move(command),
       .kind = Kind::kWrite,
       .lane = waits ? Lane::kHeldUp : Lane::kShared,
       .script = script.text(),
       .key = request.key},
      context.deadline, std::move(done), [guarded = has_etag(request.etag), key = request.key] {
        std::string text = "failed to set key " + key;
        // Without an ETag only a marked first write refuses, and for Dapr that is no ETag failure.
        return guarded ? state::etag_mismatch(text) : make_error(Code::kInternal, std::move(text));
      });
}

void RedisStateStore::wait_for_replicas(std::string_view key, SteadyTime deadline, Completion<void> done) {
  const std::string count = std::to_string(replicas_);
  const std::string limit = std::to_string(kReplicaWaitMs);
  client_->send(
      {.command = encode_command({"WAIT", count, limit}), .kind = Kind::kWrite, .lane = Lane::kHeldUp, .key = key},
      deadline, [done = std::move(done)](Result<RedisValue> answer) mutable {
        if (!answer) return done(fail(std::move(answer.error())));
        if (answer->is_error()) return done(fail(redis_error(*answer)));
        done({});
      });
}

void RedisStateStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  const RedisScript& script = is_json(request.metadata) ? scripts_.remove_json : scripts_.remove;
  const std::array<std::string_view, 1> keys{request.key};
  const std::array<std::string_view, 1> arguments{has_etag(request.etag) ? std::string_view(*request.etag) : kNoETag};
  std::string command = script.call_command(keys, arguments);
  run({.command = std::move(command), .kind = Kind::kWrite, .script = script.text(), .key = request.key},
      context.deadline, std::move(done),
      [key = request.key] { return state::etag_mismatch("failed to delete " + key); });
}

void RedisStateStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                               Completion<void> done) {
  if (operations.empty()) return done({});
  constexpr std::size_t kWords = 4;  // an operation's
  std::vector<std::string_view> keys;
  std::vector<std::string> words;
  words.reserve(operations.size() * kWords);
  keys.reserve(operations.size());
  for (const state::Operation& operation : operations) {
    Status status = std::visit(
        [&](const auto& request) -> Status {
          constexpr bool kSets = std::is_same_v<std::decay_t<decltype(request)>, state::SetRequest>;
          const bool as_json = is_json(request.metadata);
          keys.push_back(request.key);
          words.push_back(kSets ? (as_json ? "jset" : "set") : (as_json ? "jdel" : "del"));
          if constexpr (kSets) {
            const bool last_wins = request.concurrency == Concurrency::kLastWrite;
            Result<std::string> etag = etag_word(last_wins ? std::nullopt : request.etag);
            if (!etag) return fail(std::move(etag.error()));
            words.push_back(std::move(*etag));
            Result<std::string> value = as_json ? json_object(*request.value) : *request.value;
            if (!value) return fail(std::move(value.error()));
            words.push_back(std::move(*value));
            words.push_back(ttl_word(request));
          } else {
            words.push_back(has_etag(request.etag) ? *request.etag : std::string(kNoETag));
            words.resize(words.size() + 2);
          }
          return {};
        },
        operation);
    if (!status) return done(fail(std::move(status.error())));
  }
  const std::vector<std::string_view> arguments(words.begin(), words.end());
  run({.command = scripts_.transact.call_command(keys, arguments),
       .kind = Kind::kWrite,
       .script = scripts_.transact.text(),
       .key = keys.front()},
      context.deadline, std::move(done), [] { return state::etag_mismatch("the transaction was not carried out"); });
}

void RedisStateStore::close(SteadyTime deadline) { client_->close(deadline); }

}  // namespace tandem::components
