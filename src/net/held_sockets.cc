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
  for (const auto& [place, kept] : sockets_) ::close(kept.socket);
  sockets_.clear();
}

HeldSockets::Held HeldSockets::take(asio::io_context& io, const void* place, std::size_t size) {
  if (!asio::has_service<Service>(io)) return {};
  return asio::use_service<Service>(io).held->copy_of(key_of(place, size));
}

void HeldSockets::keep(asio::io_context& io, int socket, const SocketFile* file) {
  if (asio::has_service<Service>(io)) asio::use_service<Service>(io).held->add(socket, file);
}

HeldSockets::Held HeldSockets::copy_of(const std::string& place) {
  const std::scoped_lock lock(mutex_);
  const auto found = sockets_.find(place);
  if (found == sockets_.end()) return {};
  const Kept& kept = found->second;
  std::unique_ptr<SocketFile> file;
  if (kept.file) {
    file = kept.file->share();
    if (!file) {
      ::close(kept.socket);
      sockets_.erase(found);
      return {};
    }
  }
  return {::fcntl(kept.socket, F_DUPFD_CLOEXEC, 0), std::move(file)};
}

void HeldSockets::add(int socket, const SocketFile* file) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  const std::scoped_lock lock(mutex_);
  if (released_) return;
  Kept kept{::fcntl(socket, F_DUPFD_CLOEXEC, 0), std::nullopt};
  if (kept.socket < 0) return;
  if (file != nullptr) kept.file = file->reference();
  const auto [at, added] = sockets_.try_emplace(key_of(&address, size), kept);
  if (!added) ::close(kept.socket);
}

}  // namespace tandem::net
