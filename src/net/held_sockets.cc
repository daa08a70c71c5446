#include "net/held_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace tandem::net {
namespace asio = boost::asio;

namespace {

// Addresses end with as many zeros as whoever asks thinks: the system counts the one behind a Unix socket's path.
std::string key_of(const void* address, std::size_t size) {
  std::string key(static_cast<const char*>(address), size);
  while (!key.empty() && key.back() == '\0') key.pop_back();
  return key;
}

}  // namespace

// How an io_context finds what was attached to it.
class HeldSockets::Service final : public asio::execution_context::service {
 public:
  using key_type = Service;
  static asio::execution_context::id id;

  explicit Service(asio::execution_context& context, HeldSockets* held = nullptr) : service(context), held(held) {}

  HeldSockets* const held;

 private:
  void shutdown() override {}
};

asio::execution_context::id HeldSockets::Service::id;

void HeldSockets::attach(Workers& workers) {
  for (std::size_t i = 0; i < workers.size(); ++i) asio::make_service<Service>(workers[i].io(), this);
}

void HeldSockets::release() {
  const std::scoped_lock lock(mutex_);
  released_ = true;
  for (const auto& [place, socket] : sockets_) ::close(socket);
  sockets_.clear();
}

int HeldSockets::take(asio::io_context& io, const void* place, std::size_t size) {
  if (!asio::has_service<Service>(io)) return -1;
  return asio::use_service<Service>(io).held->copy_of(key_of(place, size));
}

void HeldSockets::keep(asio::io_context& io, int socket) {
  if (asio::has_service<Service>(io)) asio::use_service<Service>(io).held->add(socket);
}

int HeldSockets::copy_of(const std::string& place) {
  const std::scoped_lock lock(mutex_);
  const auto found = sockets_.find(place);
  return found == sockets_.end() ? -1 : ::fcntl(found->second, F_DUPFD_CLOEXEC, 0);
}

void HeldSockets::add(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  const std::scoped_lock lock(mutex_);
  if (released_) return;
  const int copy = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return;
  const auto [at, added] = sockets_.try_emplace(key_of(&address, size), copy);
  if (!added) ::close(copy);
}

}  // namespace tandem::net
