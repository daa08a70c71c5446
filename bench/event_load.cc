// Publishes numbered, stamped events over HTTP, as fast as a number of connections takes them or at a rate.
//
// usage: bench_events PORT PATH CONNECTIONS MILLISECONDS RATE
//
// One thread; each connection has one request under way. RATE is of all together, a second; 0: as fast as they go. An
// event is due at its own time whatever became of those before it, and is stamped with that time: what a slow server
// holds up is in the age of the events (https://www.scylladb.com/2021/04/22/on-coordinated-omission/). Events are
// numbered from 1. Prints "events N", "sum S" and "squares Q" (of the numbers, modulo 2^64), "rate R" of those taken in
// time, a second, and "p50 MICROSECONDS", "p99 …" from when one was due to its answer. An answer that is not 204 ends
// it with status 1: nothing measured with one is worth anything.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

struct Options {
  std::uint16_t port = 0;
  std::string path;
  std::uint32_t connections = 0;
  std::uint32_t milliseconds = 0;
  std::uint32_t rate = 0;
};

template <class Number>
bool parse(const char* text, Number& number) {
  const char* end = text + std::strlen(text);
  const auto [at, failure] = std::from_chars(text, end, number);
  return failure == std::errc() && at == end;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "bench_events: %s\n", why.c_str());
  std::exit(1);
}

struct Connection {
  int socket = -1;
  Clock::time_point due;  // of the event under way
  std::string answer;
};

class Load final {
 public:
  explicit Load(Options options)
      : options_(std::move(options)),
        head_("POST " + options_.path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"),
        poll_(epoll_create1(0)) {}

  void run() {
    connect_all();
    begin_ = Clock::now();
    end_ = begin_ + std::chrono::milliseconds(options_.milliseconds);
    stamp_offset_ = std::chrono::system_clock::now().time_since_epoch() - begin_.time_since_epoch();
    while (true) {
      const Clock::time_point now = Clock::now();
      give_out(now);
      if (idle_.size() == connections_.size() && now >= end_) break;
      wait(now);
    }
    report();
  }

 private:
  void connect_all() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connections_.resize(options_.connections);
    for (std::uint32_t i = 0; i < options_.connections; ++i) {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      const int yes = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
      if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        give_up(std::string("cannot connect: ") + std::strerror(errno));
      }
      epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
      epoll_ctl(poll_, EPOLL_CTL_ADD, socket, &event);
      connections_[i].socket = socket;
      idle_.push_back(i);
    }
  }

  Clock::time_point next_due(Clock::time_point now) const {
    return options_.rate == 0 ? now : begin_ + nanoseconds(sent_ * 1'000'000'000 / options_.rate);
  }

  void give_out(Clock::time_point now) {
    while (!idle_.empty()) {
      const Clock::time_point due = next_due(now);
      if (due > now || due >= end_) return;
      const std::uint32_t chosen = idle_.back();
      idle_.pop_back();
      send_event(connections_[chosen], due);
    }
  }

  void send_event(Connection& connection, Clock::time_point due) {
    ++sent_;
    sum_ += sent_;
    squares_ += sent_ * sent_;
    const nanoseconds stamp = due.time_since_epoch() + stamp_offset_;
    const std::string body = "{\"n\":\"" + std::to_string(sent_) + "\",\"sent\":\"" + std::to_string(stamp.count()) +
                             "\",\"text\":\"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\"}";
    const std::string request = head_ + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    connection.due = due;
    if (write(connection.socket, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
      give_up(std::string("cannot send: ") + std::strerror(errno));
    }
  }

  void wait(Clock::time_point now) {
    const Clock::time_point until = idle_.empty() || now >= end_ ? now + std::chrono::seconds(30) : next_due(now);
    const auto left = std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(until - now)).count();
    const timespec patience{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    epoll_event events[64];
    const int count = epoll_pwait2(poll_, events, 64, &patience, nullptr);
    if (count < 0 && errno != EINTR) give_up(std::string("cannot wait: ") + std::strerror(errno));
    if (count == 0 && left > 1'000'000'000) give_up("no answer within 30 seconds");
    for (int i = 0; i < count; ++i) receive(events[i].data.u32);
  }

  void receive(std::uint32_t which) {
    Connection& connection = connections_[which];
    char bytes[4096];
    const ssize_t size = read(connection.socket, bytes, sizeof(bytes));
    if (size <= 0) give_up("a connection ended");
    connection.answer.append(bytes, static_cast<std::size_t>(size));
    // 204 has no body: what follows the head would be another answer.
    if (!connection.answer.ends_with("\r\n\r\n")) return;
    if (!std::string_view(connection.answer).starts_with("HTTP/1.1 204 ")) give_up(connection.answer);
    connection.answer.clear();
    const Clock::time_point now = Clock::now();
    took_.push_back(static_cast<std::uint32_t>((now - connection.due) / std::chrono::microseconds(1)));
    if (now < end_) ++in_time_;
    idle_.push_back(which);
  }

  void report() {
    if (took_.empty()) give_up("no event was due in that time");
    std::ranges::sort(took_);
    const auto percentile = [this](double share) {
      return took_[std::min(took_.size() - 1, static_cast<std::size_t>(static_cast<double>(took_.size()) * share))];
    };
    std::printf("events %ju\nsum %ju\nsquares %ju\nrate %.1f\np50 %u\np99 %u\n", std::uintmax_t{sent_},
                std::uintmax_t{sum_}, std::uintmax_t{squares_},
                static_cast<double>(in_time_) * 1000 / options_.milliseconds, percentile(0.5), percentile(0.99));
  }

  const Options options_;
  const std::string head_;
  const int poll_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> idle_;
  Clock::time_point begin_;
  Clock::time_point end_;
  nanoseconds stamp_offset_{0};
  std::uint64_t sent_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t squares_ = 0;
  std::uint64_t in_time_ = 0;
  std::vector<std::uint32_t> took_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc != 6 || !parse(argv[1], options.port) || !parse(argv[3], options.connections) ||
      !parse(argv[4], options.milliseconds) || !parse(argv[5], options.rate) || options.connections == 0 ||
      options.connections > 1024 || options.milliseconds == 0) {
    std::fputs("usage: bench_events PORT PATH CONNECTIONS MILLISECONDS RATE\n", stderr);
    return 1;
  }
  options.path = argv[2];
  Load(std::move(options)).run();
  return 0;
}
