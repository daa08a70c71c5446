#include "net/http_client.h"

#include <utility>
#include <vector>

#include "net/client_call.h"
#include "net/client_pool.h"
#include "net/http2_call.h"
#include "net/http2_host.h"

namespace tandem::net {

ClientPool::ClientPool(Worker& worker, ClientOptions options) : worker_(worker), options_(std::move(options)) {}
ClientPool::~ClientPool() = default;

std::shared_ptr<Http2Host> ClientPool::http2(const std::string& key) {
  if (closed_) return nullptr;
  if (!http2_.contains(key)) {
    std::erase_if(http2_, [](const auto& entry) { return entry.second->empty() && entry.second.use_count() == 1; });
  }
  std::shared_ptr<Http2Host>& host = http2_[key];
  if (!host) host = std::make_shared<Http2Host>(shared_from_this());
  return host;
}

std::unique_ptr<ClientTransport> ClientPool::take(const std::string& key, const AddressFilter& filter) {
  const auto found = idle_.find(key);
  if (found == idle_.end()) return nullptr;
  std::deque<Idle>& waiting = found->second;
  // The one used last is the least likely to have been closed by the server.
  for (auto it = waiting.rbegin(); it != waiting.rend();) {
    const auto& remote = it->transport->remote;
    if (filter && !filter(plain_ip(remote.address()), remote.port())) {
      ++it;
      continue;
    }
    std::unique_ptr<ClientTransport> transport = std::move(it->transport);
    it = std::make_reverse_iterator(waiting.erase(std::next(it).base()));
    if (!transport->quiet()) continue;
    if (waiting.empty()) idle_.erase(found);
    return transport;
  }
  if (waiting.empty()) idle_.erase(found);
  return nullptr;
}

void ClientPool::give_back(const std::string& key, std::unique_ptr<ClientTransport> transport) {
  if (closed_ || options_.max_idle_per_host == 0) return;
  std::deque<Idle>& waiting = idle_[key];
  if (waiting.size() >= options_.max_idle_per_host) waiting.pop_front();
  const auto expires = std::chrono::steady_clock::now() + options_.idle_timeout;
  const bool first = idle_.size() == 1 && waiting.empty();
  waiting.push_back(Idle{std::move(transport), expires});
  if (first) worker_.timeouts().arm(*this, expires);
}

std::size_t ClientPool::idle() const {
  std::size_t count = 0;
  for (const auto& [key, waiting] : idle_) count += waiting.size();
  for (const auto& [key, host] : http2_) count += host->idle();
  return count;
}

void ClientPool::on_timeout() {
  const auto now = std::chrono::steady_clock::now();
  auto next = std::chrono::steady_clock::time_point::max();
  for (auto it = idle_.begin(); it != idle_.end();) {
    std::deque<Idle>& waiting = it->second;
    while (!waiting.empty() && waiting.front().expires <= now) waiting.pop_front();
    if (waiting.empty()) {
      it = idle_.erase(it);
    } else {
      next = std::min(next, waiting.front().expires);
      ++it;
    }
  }
  if (next != std::chrono::steady_clock::time_point::max()) worker_.timeouts().arm(*this, next);
}

Result<boost::asio::ssl::context*> ClientPool::tls(ClientVerify verify) {
  if (options_.tls) return &options_.tls->context();
  std::optional<boost::asio::ssl::context>& made = verify == ClientVerify::kPeer ? tls_ : unverified_;
  if (made) return &*made;
  try {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    boost::system::error_code error;
    context.set_default_verify_paths(error);
    const bool verifies = verify == ClientVerify::kPeer;
    context.set_verify_mode(verifies ? boost::asio::ssl::verify_peer : boost::asio::ssl::verify_none);
    if (verifies && !options_.ca_pem.empty()) {
      context.add_certificate_authority(boost::asio::buffer(options_.ca_pem), error);
      if (error) return fail(Code::kInvalidArgument, "the extra certificate authorities are not valid PEM");
    }
    made.emplace(std::move(context));
    return &*made;
  } catch (const std::exception& error) {
    return fail(Code::kInternal, std::string("TLS cannot be set up: ") + error.what());
  }
}

void ClientPool::close() {
  closed_ = true;
  idle_.clear();
  const std::vector<std::shared_ptr<PendingCall>> calls(calls_.begin(), calls_.end());
  for (const auto& call : calls) call->stop();
  for (const auto& [key, host] : std::exchange(http2_, {})) host->close();
}

void ClientHandle::cancel() {
  if (const auto call = call_.lock()) call->cancel();
}

HttpClient::HttpClient(Worker& worker, ClientOptions options)
    : pool_(std::make_shared<ClientPool>(worker, std::move(options))) {}

HttpClient::~HttpClient() { pool_->close(); }

ClientHandle HttpClient::send(ClientRequest request, std::unique_ptr<ResponseSink> sink) {
  if (request.protocol == ClientProtocol::kHttp2) {
    const auto call = std::make_shared<Http2Call>(pool_, std::move(request), std::move(sink));
    call->start();
    return ClientHandle(call);
  }
  const auto call = std::make_shared<ClientCall>(pool_, std::move(request), std::move(sink));
  call->start();
  return ClientHandle(call);
}

std::size_t HttpClient::idle_connections() const { return pool_->idle(); }

}  // namespace tandem::net
