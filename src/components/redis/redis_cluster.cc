#include "components/redis/redis_cluster.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

namespace tandem::components {
namespace {

// CRC-16 of XMODEM, a byte at a time.
constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0);
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrcTable = make_table();

struct Redirection {
  std::uint16_t slot = 0;
  RedisAddress to;
};

// "MOVED 3999 127.0.0.1:6381"; without a host it is the one that answers.
std::optional<Redirection> read_redirection(std::string_view text) {
  const std::size_t first = text.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  const std::size_t colon = text.rfind(':');
  if (second == std::string_view::npos || colon == std::string_view::npos || colon < second) return std::nullopt;
  Redirection redirection;
  std::from_chars(text.data() + first + 1, text.data() + second, redirection.slot);
  redirection.to.host = text.substr(second + 1, colon - second - 1);
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), redirection.to.port);
  if (redirection.slot >= kRedisSlots || redirection.to.port == 0) return std::nullopt;
  return redirection;
}

}  // namespace

std::uint16_t redis_slot(std::string_view key) {
  if (const std::size_t open = key.find('{'); open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  std::uint16_t crc = 0;
  for (const char c : key) {
    const auto byte = static_cast<std::uint8_t>(c);
    crc = static_cast<std::uint16_t>((crc << 8) ^ kCrcTable[((crc >> 8) ^ byte) & 0xff]);
  }
  return crc % kRedisSlots;
}

// Kept until it is answered for good: it may have to go elsewhere.
struct RedisCluster::Command {
  RedisCall call;  // `done` included
  RedisConnection* sent_to = nullptr;
  RedisAddress host;  // of sent_to
  int hops = 0;
};

RedisCluster::RedisCluster(net::Worker& worker, const RedisOptions& options) : worker_(worker), options_(options) {
  for (const RedisAddress& address : options.addresses) asked_next_.push_back(address);
}

RedisConnection& RedisCluster::node(const RedisAddress& address) {
  const std::string name = net::StreamTarget{.host = address.host, .port = address.port}.name();
  std::unique_ptr<RedisConnection>& connection = nodes_[name];
  if (connection == nullptr) connection = std::make_unique<RedisConnection>(worker_, options_, address);
  return *connection;
}

RedisConnection& RedisCluster::owner(std::uint16_t slot) {
  if (owners_[slot] != nullptr) return *owners_[slot];
  learn_slots();
  // Any node says which one it is.
  return node(asked_next_.front());
}

void RedisCluster::send(RedisCall call, std::uint16_t slot) {
  ++under_way_;
  route(std::make_shared<Command>(Command{.call = std::move(call)}), owner(slot));
}

void RedisCluster::route(std::shared_ptr<Command> command, RedisConnection& to) {
  command->sent_to = &to;
  RedisCall call{.command = command->call.command,
                 .deadline = command->call.deadline,
                 .repeat = command->call.repeat,
                 .script = command->call.script};
  call.done = [this, command](Result<RedisValue> answer) { answered(command, std::move(answer)); };
  to.send(std::move(call));
}

void RedisCluster::answered(const std::shared_ptr<Command>& command, Result<RedisValue> answer) {
  const bool moved = answer && answer->is_error("MOVED");
  const bool asks = answer && answer->is_error("ASK");
  if ((moved || asks) && ++command->hops <= kMaxHops && nodes_.size() < kMaxNodes) {
    if (std::optional<Redirection> redirection = read_redirection(answer->text)) {
      if (redirection->to.host.empty()) redirection->to.host = command->sent_to->address().host;
      RedisConnection& target = node(redirection->to);
      if (moved) {
        owners_[redirection->slot] = &target;
        learn_slots();
      } else {
        // Only the next command on that connection may do what the node does not own yet.
        target.send({.command = encode_command({"ASKING"}),
                     .deadline = command->call.deadline,
                     .done = [](const Result<RedisValue>&) {}});
      }
      return route(command, target);
    }
  }
  // The node may have been replaced.
  if (!answer || answer->is_error("CLUSTERDOWN") || answer->is_error("READONLY")) learn_slots();
  --under_way_;
  command->call.done(std::move(answer));
  tell_idle();
}

void RedisCluster::learn_slots() {
  if (closed_ || std::exchange(learning_, true)) return;
  const RedisAddress from = asked_next_.front();
  asked_next_.pop_front();
  asked_next_.push_back(from);
  node(from).send({.command = encode_command({"CLUSTER", "SLOTS"}),
                   .deadline = std::chrono::steady_clock::now() + options_.dial_timeout,
                   .repeat = RedisCall::Repeat::kAllowed,
                   .done = [this, from](const Result<RedisValue>& answer) { slots_learned(from, answer); }});
}

// Each item: first slot, last slot, then nodes, the master first: host, port, …
void RedisCluster::slots_learned(const RedisAddress& from, const Result<RedisValue>& answer) {
  learning_ = false;
  if (!answer || answer->items.empty()) return;
  std::deque<RedisAddress> masters;
  for (const RedisValue& range : answer->items) {
    if (range.items.size() < 3 || range.items[2].items.size() < 2) continue;
    const std::int64_t first = range.items[0].integer;
    const std::int64_t last = range.items[1].integer;
    const RedisValue& master = range.items[2];
    const std::int64_t port = master.items[1].integer;
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(kRedisSlots)) continue;
    if (port <= 0 || port > 65'535 || masters.size() >= kMaxNodes) continue;
    const std::string& host = master.items[0].text;
    const RedisAddress address{host.empty() ? from.host : host, static_cast<std::uint16_t>(port)};
    std::fill(owners_.begin() + first, owners_.begin() + last + 1, &node(address));
    masters.push_back(address);
  }
  if (masters.empty()) return;
  // What was configured stays among those that are asked: all of today's masters may go.
  for (const RedisAddress& address : options_.addresses) masters.push_back(address);
  asked_next_ = std::move(masters);
}

void RedisCluster::when_idle(Task idle) {
  idle_ = std::move(idle);
  tell_idle();
}

void RedisCluster::tell_idle() {
  if (idle_ == nullptr || under_way_ > 0) return;
  std::exchange(idle_, nullptr)();
}

void RedisCluster::abort(const Error& error) {
  closed_ = true;
  for (const auto& [name, connection] : nodes_) connection->abort(error);
}

}  // namespace tandem::components
