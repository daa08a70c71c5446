// Fuzzes the server's HTTP/2: a byte that says what the handler does, and the frames of one connection.
//
// A real shard with one end of a socket pair, on one thread: the frames go in, the loop runs until nothing is left to
// do, the client goes. Whatever comes, what the server says is whole frames, no more handlers run at once than it
// allows, and nothing of the connection is left.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http2_library.h"
#include "net/resolver.h"
#include "net/server_shard.h"

namespace {

using namespace tandem;
using namespace tandem::net;

constexpr std::size_t kMostHandlers = 250;

void require(bool holds) {
  if (!holds) std::abort();
}

// Reads all of the body and answers with its size.
void read_on(std::shared_ptr<std::unique_ptr<Exchange>> held, std::shared_ptr<std::size_t> size) {
  (*held)->body().read([held, size](Result<std::string_view> piece) {
    if (piece && !piece->empty()) {
      *size += piece->size();
      return read_on(held, size);
    }
    (*held)->respond(piece ? 200 : 400, {}, std::to_string(*size));
    held->reset();
  });
}

class FuzzHandler final : public Handler {
 public:
  explicit FuzzHandler(std::uint8_t kind) : kind_(kind) {}

  void handle(std::unique_ptr<Exchange> exchange) override {
    const RequestHead& head = exchange->head();
    require(!head.method.empty() && (head.target.starts_with('/') || head.target == "*"));
    for (const Header& header : head.headers) require(valid_header(header) && !header.name.starts_with(':'));
    switch (kind_ % 4) {
      case 0: return exchange->respond(200, {}, "ok");
      case 1:
        return read_on(std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange)),
                       std::make_shared<std::size_t>(0));
      case 2: {
        exchange->start(200, {});
        exchange->write(std::string(20'000, 'x'), [](Status) {});
        const Header trailer{"x-sum", "1"};
        return exchange->finish({&trailer, 1});
      }
      default: held.push_back(std::move(exchange)); require(held.size() <= kMostHandlers);
    }
  }

  std::vector<std::unique_ptr<Exchange>> held;

 private:
  const std::uint8_t kind_;
};

std::string take(int socket) {
  std::string all;
  std::array<char, 65536> bytes;
  ssize_t got = 0;
  while ((got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0) {
    all.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return all;
}

void require_frames(std::string_view bytes) {
  while (bytes.size() >= 9) {
    const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
    const std::size_t size = 9 + (at(0) << 16 | at(1) << 8 | at(2));
    require(size <= 9 + 16'384 && at(3) <= 9);
    if (size > bytes.size()) return;  // the socket was full
    bytes.remove_prefix(size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  static Resolver resolver{ResolverOptions()};
  Worker worker(0, resolver);
  FuzzHandler handler(data[0]);
  auto shared = std::make_shared<ServerShared>();
  shared->options.http2 = Http2::kOn;
  shared->options.max_body_bytes = 100'000;
  auto shard = std::make_shared<ServerShard>(worker, handler, shared);
  shared->shards.push_back(shard);

  std::array<int, 2> pair{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()) == 0);
  shared->connections.fetch_add(1);
  shard->add(pair[0]);
  const int client = pair[1];
  std::string input(kHttp2Preface);
  if ((data[0] & 0x80) == 0) input += std::string_view("\0\0\0\4\0\0\0\0\0", 9);  // empty settings
  input.append(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string said;
  std::string_view left(input);
  while (!left.empty()) {
    const ssize_t sent = ::send(client, left.data(), std::min<std::size_t>(left.size(), 10'000), MSG_NOSIGNAL);
    if (sent <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(sent));
    worker.io().restart();
    worker.io().poll();
    said += take(client);
  }
  require_frames(said);
  handler.held.clear();
  worker.io().restart();
  worker.io().poll();
  ::close(client);
  worker.io().restart();
  worker.io().poll();
  shard->cut();
  require(shared->connections.load() == 0);
  return 0;
}
