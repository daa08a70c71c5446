// The ceiling for a guest: Tandem's own HTTP server with a handler in C++ that answers "hello".
//
// usage: bench_native [workers]      0 or nothing: one a core, as `tandem run`. Prints its port, serves until a signal.
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "net/http_server.h"

namespace {

using tandem::net::Exchange;
using tandem::net::Header;

class Hello final : public tandem::net::Handler {
 public:
  void handle(std::unique_ptr<Exchange> exchange) override {
    static constexpr Header kType{"content-type", "text/plain"};
    exchange->respond(200, {&kType, 1}, "hello");
  }
};

bool parse_count(const char* text, std::size_t& count) {
  const char* end = text + std::strlen(text);
  const auto [at, failure] = std::from_chars(text, end, count);
  return failure == std::errc() && at == end && count <= 1024;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  if (argc > 2 || (argc == 2 && !parse_count(argv[1], count))) {
    std::fputs("usage: bench_native [workers]\n", stderr);
    return 1;
  }
  // Blocked before any thread starts, so that they all leave the signals to sigwait().
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);

  Hello hello;
  tandem::net::Workers workers(count == 0 ? std::max(1u, std::thread::hardware_concurrency()) : count);
  auto server =
      tandem::net::HttpServer::listen(workers, {.purpose = "the native handler"},
                                      [&hello](tandem::net::Worker&) -> tandem::net::Handler& { return hello; });
  if (!server) {
    std::fprintf(stderr, "bench_native: %s\n", server.error().message.c_str());
    return 1;
  }
  workers.start();
  std::printf("%u\n", unsigned{(*server)->port()});
  std::fflush(stdout);
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  return 0;
}
