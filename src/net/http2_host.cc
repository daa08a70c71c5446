#include "net/http2_host.h"

#include <algorithm>
#include <utility>

#include "net/http2_call.h"
#include "net/http2_link.h"

namespace tandem::net {

void Http2Host::want(std::shared_ptr<Http2Call> call) {
  waiting_.push_back(std::move(call));
  serve();
}

void Http2Host::leave(const Http2Call& call) {
  const auto found = std::ranges::find_if(waiting_, [&](const auto& waiting) { return waiting.get() == &call; });
  if (found == waiting_.end()) return;
  const bool first = found == waiting_.begin();
  waiting_.erase(found);
  if (first && connector_) std::exchange(connector_, nullptr)->abandon();
  serve();
}

void Http2Host::serve() {
  const auto self = shared_from_this();
  while (!waiting_.empty() && !closed_) {
    const std::shared_ptr<Http2Call> call = waiting_.front();
    const auto free = std::ranges::find_if(links_, [&](const auto& link) { return link->takes(call->filter()); });
    if (free == links_.end()) break;
    waiting_.pop_front();
    if (connector_) std::exchange(connector_, nullptr)->abandon();  // it was for this call
    const std::shared_ptr<Http2Link> link = *free;
    call->begin(link);
  }
  if (!waiting_.empty() && !connector_ && !closed_) connect();
}

void Http2Host::connect() {
  const auto connector = std::make_shared<ClientConnector>(
      pool_, waiting_.front()->request(),
      [self = shared_from_this()](Result<std::unique_ptr<ClientTransport>> transport) {
        self->connected(std::move(transport));
      });
  connector_ = connector;
  connector->start();
}

void Http2Host::connected(Result<std::unique_ptr<ClientTransport>> transport) {
  connector_.reset();
  if (transport) {
    const auto link = std::make_shared<Http2Link>(shared_from_this(), std::move(*transport));
    links_.push_back(link);
    link->start();
    return serve();
  }
  const Error error = std::move(transport.error());
  // Which addresses are allowed is a matter of the one call that was asked.
  std::deque<std::shared_ptr<Http2Call>> failed;
  if (error.code == Code::kPermissionDenied) {
    failed.push_back(waiting_.front());
    waiting_.pop_front();
  } else {
    failed.swap(waiting_);
  }
  for (const auto& call : failed) call->fail_with(error.code, error.message);
  serve();
}

void Http2Host::gone(const Http2Link& link) {
  std::erase_if(links_, [&](const auto& other) { return other.get() == &link; });
  serve();
}

std::size_t Http2Host::idle() const {
  return static_cast<std::size_t>(std::ranges::count_if(links_, [](const auto& link) { return link->idle(); }));
}

void Http2Host::close() {
  closed_ = true;
  waiting_.clear();
  if (connector_) std::exchange(connector_, nullptr)->abandon();
  for (const auto& link : std::exchange(links_, {})) link->close("was stopped");
}

}  // namespace tandem::net
