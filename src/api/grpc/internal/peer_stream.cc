#include "api/grpc/internal/peer_stream.h"

#include <algorithm>
#include <chrono>
#include <string_view>

namespace tandem::api::grpc {
namespace {

// What may travel as metadata.
bool is_text(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20 && c <= 0x7E; });
}

}  // namespace

void prepare(::grpc::ClientContext& client, const CallContext& context) {
  if (context.deadline != SteadyTime::max()) {
    const auto left = context.deadline - std::chrono::steady_clock::now();
    client.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
  }
  if (context.trace.traceparent.empty() || !is_text(context.trace.traceparent)) return;
  client.AddMetadata("traceparent", context.trace.traceparent);
  if (context.trace.tracestate.empty() || !is_text(context.trace.tracestate)) return;
  client.AddMetadata("tracestate", context.trace.tracestate);
}

std::shared_ptr<PeerStream> PeerStream::start(PeerChannel channel, const CallContext& context, Executor& worker,
                                              std::weak_ptr<Listener> listener, std::shared_ptr<CallCounter> counter) {
  std::shared_ptr<PeerStream> stream(
      new PeerStream(std::move(channel), worker, std::move(listener), std::move(counter)));
  stream->self_ = stream;
  stream->counter_->begin();
  prepare(stream->client_, context);
  stream->stub_->async()->CallLocalStream(&stream->client_, stream.get());
  stream->AddHold();
  stream->StartCall();
  stream->read();
  return stream;
}

template <class Tell>
void PeerStream::tell(Tell tell) {
  worker_.post([stream = self_, listener = listener_, tell = std::move(tell)] {
    if (const auto alive = listener.lock()) tell(*alive, *stream);
  });
}

void PeerStream::OnReadDone(bool ok) {
  tell([ok](Listener& listener, PeerStream& stream) { listener.on_read(stream, ok); });
}

void PeerStream::OnWriteDone(bool ok) {
  tell([ok](Listener& listener, PeerStream& stream) { listener.on_written(stream, ok); });
}

void PeerStream::OnDone(const ::grpc::Status& status) {
  const std::shared_ptr<CallCounter> counter = counter_;
  Executor& worker = worker_;
  worker.post([stream = std::move(self_), status] {
    if (const auto alive = stream->listener_.lock()) alive->on_done(*stream, status);
  });
  counter->end();
}

}  // namespace tandem::api::grpc
