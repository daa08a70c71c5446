#include "components/nameresolution/mdns/mdns_resolver.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A UDP port that nobody has: multicast on it is the test's own.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in any{.sin_family = AF_INET};
  socklen_t size = sizeof any;
  ::bind(fd, reinterpret_cast<const sockaddr*>(&any), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size);
  ::close(fd);
  return ntohs(any.sin_port);
}

// One process with its resolver.
class Process final {
 public:
  explicit Process(MdnsOptions options) : resolver(workers[0], nullptr, std::move(options)) { workers.start(); }
  ~Process() { workers.stop(); }

  Result<std::string> resolve(std::string app_id) {
    std::optional<Result<std::string>> got;
    std::mutex mutex;
    std::condition_variable changed;
    workers[1].post([&, app_id] {
      resolver.resolve(app_id, "default", workers[1], [&](Result<std::string> address) {
        const std::scoped_lock lock(mutex);
        got = std::move(address);
        changed.notify_all();
      });
    });
    std::unique_lock lock(mutex);
    changed.wait_for(lock, seconds(30), [&] { return got.has_value(); });
    return got ? std::move(*got) : fail(Code::kInternal, "no answer");
  }

  net::Workers workers{2};
  MdnsResolver resolver;
};

TEST(MdnsResolver, FindsWhatAnotherProcessAnnounces) {
  const std::uint16_t port = free_port();
  Process there({.port = port});
  Process here({.port = port, .patience = seconds(20)});
  there.resolver.announce({"orders", "127.0.0.1", 50'123});
  const auto found = here.resolve("orders");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, "127.0.0.1:50123");
  // It is known now, and completes in place.
  std::string again;
  here.resolver.resolve("orders", "default", here.workers[0],
                        [&](Result<std::string> address) { again = address.value_or("unknown"); });
  EXPECT_EQ(again, "127.0.0.1:50123");
}

TEST(MdnsResolver, AnAppThatIsForgottenOrSaysGoodbyeIsLookedForAgain) {
  const std::uint16_t port = free_port();
  Process here({.port = port, .patience = seconds(20)});
  {
    Process there({.port = port});
    there.resolver.announce({"orders", "127.0.0.1", 50'123});
    ASSERT_EQ(here.resolve("orders").value_or("none"), "127.0.0.1:50123");
    here.resolver.forget("orders", "127.0.0.1:50123");
    ASSERT_EQ(here.resolve("orders").value_or("none"), "127.0.0.1:50123");
    there.resolver.announce({"orders", "127.0.0.1", 50'124});
    there.resolver.withdraw();
  }
  Process moved({.port = port});
  moved.resolver.announce({"orders", "127.0.0.1", 50'125});
  // The goodbye may still be on its way; what comes after it is the new one.
  std::string address;
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  while (address != "127.0.0.1:50125" && std::chrono::steady_clock::now() < end) {
    address = here.resolve("orders").value_or("none");
  }
  EXPECT_EQ(address, "127.0.0.1:50125");
}

TEST(MdnsResolver, NobodyAnswers) {
  Process here({.port = free_port(), .patience = milliseconds(50)});
  for (const char* app_id : {"nobody", "not a name", "also.not"}) {
    const auto found = here.resolve(app_id);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::kNotFound);
    EXPECT_EQ(found.error().message, std::string("couldn't find service: ") + app_id);
  }
}

TEST(MdnsResolver, AnAppOnAllAddressesIsFoundAtOneOfThem) {
  const std::uint16_t port = free_port();
  Process there({.port = port});
  Process here({.port = port, .patience = seconds(20)});
  there.resolver.announce({"orders", "0.0.0.0", 50'123});
  const auto found = here.resolve("orders");
  ASSERT_TRUE(found) << found.error().message;
  const std::string host = found->substr(0, found->rfind(':'));
  bool own = false;
  for (const Interface& interface : list_interfaces()) {
    for (const std::string& address : interface.addresses) own |= host == address || host == "[" + address + "]";
  }
  EXPECT_TRUE(own) << *found;
}

}  // namespace
}  // namespace tandem::components
