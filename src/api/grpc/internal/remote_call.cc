#include "api/grpc/internal/remote_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "blocks/rpc_status.h"

namespace tandem::api::grpc {
namespace {

constexpr int kRetries = 3;
constexpr std::size_t kKeptBytes = std::size_t{256} << 10;  // of a body that may be sent again

Code code_of(const ::grpc::Status& status) { return static_cast<Code>(static_cast<int>(status.error_code())); }

std::string text_of(const ::grpc::Status& status) {
  return rpc_text(static_cast<int>(status.error_code()), status.error_message());
}

std::vector<net::Header> views_of(const net::OwnedHeaders& headers) {
  std::vector<net::Header> views;
  views.reserve(headers.size());
  for (const net::OwnedHeader& header : headers) views.push_back({header.name, header.value});
  return views;
}

}  // namespace

// A call of CallLocal, for sidecars that are too old for the stream. Lives until gRPC is done with it.
struct RemoteCall::Whole {
  ::grpc::ClientContext client;
  peer::InternalInvokeRequest request;
  peer::InternalInvokeResponse response;
  PeerChannel channel;
  std::unique_ptr<peer::ServiceInvocation::Stub> stub;
};

RemoteCall::RemoteCall(RemoteParts& parts, std::unique_ptr<net::Exchange> exchange,
                       std::function<void(RemoteCall&)> over)
    : parts_(parts), exchange_(std::move(exchange)), over_(std::move(over)) {}

RemoteCall::~RemoteCall() { cancel(); }

void RemoteCall::begin() {
  const net::RequestHead& head = exchange_->head();
  // "id" or "id.namespace" (blocks/invoke/invoke_service.h).
  const std::size_t dot = head.authority.find('.');
  app_id_ = head.authority.substr(0, dot);
  name_space_ = dot == std::string_view::npos ? parts_.name_space : std::string(head.authority.substr(dot + 1));
  std::optional<std::size_t> length;
  if (const auto whole = exchange_->body().take_whole()) {
    pieces_ = *whole;
    body_ended_ = true;
    length = pieces_.size();
  }
  has_length_ = length || net::find_header(head.headers, "content-length");
  const std::string& caller = exchange_->context().app_id;
  fill_request(head,
               {.caller_app_id = caller,
                .caller_namespace = parts_.name_space,
                .callee_app_id = app_id_,
                .host_address = parts_.host_address,
                .host_name = parts_.host_name},
               length, request_);
  resolve();
}

void RemoteCall::look_for_caller() {
  if (exchange_ && exchange_->gone()) cut();
}

void RemoteCall::resolve() {
  parts_.resolver.resolve(app_id_, name_space_, parts_.worker, [weak = weak_from_this()](Result<std::string> address) {
    const auto call = weak.lock();
    if (!call || !call->exchange_) return;
    if (!address) return call->refuse(address.error().code, address.error().message);
    call->connect(*address);
  });
}

void RemoteCall::connect(const std::string& address) {
  address_ = address;
  ++attempts_;
  sent_ = 0;
  seq_ = 0;
  first_ = true;
  all_sent_ = false;
  waits_for_body_ = false;
  stream_ = PeerStream::start(parts_.channels.get(address), exchange_->context(), parts_.worker, weak_from_this(),
                              parts_.counter);
  send();
}

void RemoteCall::send() {
  auto& message = stream_->outgoing();
  message.Clear();
  if (first_) *message.mutable_request() = request_;
  if (sent_ < pieces_.size()) {
    const std::size_t size = std::min(pieces_.size() - sent_, kPieceBytes);
    message.mutable_payload()->set_data(pieces_.data() + sent_, size);
    message.mutable_payload()->set_seq(seq_++);
    sent_ += size;
  }
  const bool last = body_ended_ && sent_ == pieces_.size();
  if (std::exchange(first_, false) || message.has_payload()) {
    all_sent_ = last;
    last ? stream_->write_last() : stream_->write();
  } else if (last) {
    all_sent_ = true;
    stream_->writes_done();
  } else {
    waits_for_body_ = true;
    if (!reading_) read_body();
  }
}

void RemoteCall::read_body() {
  reading_ = true;
  exchange_->body().read([weak = weak_from_this()](Result<std::string_view> piece) {
    if (const auto call = weak.lock()) call->take_piece(std::move(piece));
  });
}

void RemoteCall::take_piece(Result<std::string_view> piece) {
  reading_ = false;
  if (!exchange_) return;
  if (!piece) {
    // The app would wait for the rest.
    return answered_ ? cut() : refuse(piece.error().code, piece.error().message);
  }
  if (piece->empty()) {
    body_ended_ = true;
  } else if (keeps_ && pieces_.size() + piece->size() <= kKeptBytes) {
    pieces_ += *piece;
  } else {
    keeps_ = false;
    pieces_ = *piece;
    sent_ = 0;
  }
  if (std::exchange(waits_for_body_, false) && stream_ && !stream_->closed()) send();
}

void RemoteCall::on_written(PeerStream& stream, bool ok) {
  // When it failed the end of the stream says why.
  if (ok && &stream == stream_.get() && exchange_ && !all_sent_ && !stream.closed()) send();
}

void RemoteCall::on_read(PeerStream& stream, bool ok) {
  if (&stream != stream_.get() || !exchange_) return;
  if (!ok) return stream.close();
  const peer::InternalInvokeResponseStream& message = stream.incoming();
  if (!answered_) {
    if (!message.response().has_status()) {
      return refuse(Code::kInternal, "response does not contain the required fields in the leading chunk");
    }
    answered_ = true;
    keeps_ = false;
    take_answer(message.response());
  } else if (message.has_response()) {
    return cut();
  }
  if (exchange_) take_payload(stream);
}

void RemoteCall::take_answer(const peer::InternalInvokeResponse& head) {
  const PeerAnswer answer = answer_of(head);
  const std::vector<net::Header> headers = views_of(answer.headers);
  if (!answer.body) return exchange_->start(answer.status, headers);
  exchange_->respond(answer.status, headers, *answer.body);
  end();
}

void RemoteCall::take_payload(PeerStream& stream) {
  const peer::InternalInvokeResponseStream& message = stream.incoming();
  if (message.has_payload()) {
    if (message.payload().seq() != expected_seq_++) return cut();
    if (!message.payload().data().empty()) {
      exchange_->write(message.payload().data(), [weak = weak_from_this()](Status written) {
        const auto call = weak.lock();
        if (!call || !call->exchange_) return;
        if (!written) return call->cut();
        call->stream_->read();
      });
      return;
    }
  }
  stream.read();
}

void RemoteCall::on_done(PeerStream& stream, const ::grpc::Status& status) {
  if (&stream != stream_.get() || !exchange_) return;
  if (!answered_) return failed(status);
  if (!status.ok()) return cut();
  exchange_->finish();
  end();
}

void RemoteCall::failed(const ::grpc::Status& status) {
  switch (status.error_code()) {
    case ::grpc::StatusCode::OK: return refuse(Code::kInternal, "EOF");
    case ::grpc::StatusCode::UNAVAILABLE:
    case ::grpc::StatusCode::UNAUTHENTICATED: return retry(status);
    case ::grpc::StatusCode::UNIMPLEMENTED: {
      if (body_ended_ && keeps_) return call_whole();
      constexpr std::string_view kTooOld =
          "target app '{}' is running a version of Dapr that does not support streaming-based service invocation";
      return refuse(Code::kUnimplemented, fmt::format(kTooOld, app_id_));
    }
    default: return refuse(code_of(status), text_of(status));
  }
}

void RemoteCall::retry(const ::grpc::Status& status) {
  parts_.channels.drop(address_, stream_->channel());
  parts_.resolver.forget(app_id_, address_);
  const bool has_policies = parts_.has_policies && parts_.has_policies(exchange_->context().app_id, app_id_);
  if (!has_length_ || has_policies) return refuse(code_of(status), text_of(status));
  const bool in_time = exchange_->context().deadline - std::chrono::steady_clock::now() > parts_.retry_delay;
  if (attempts_ > kRetries || !keeps_ || !in_time || exchange_->gone()) {
    return refuse(code_of(status), fmt::format("failed to invoke target {} after {} retries. Error: {}", app_id_,
                                               attempts_ - 1, text_of(status)));
  }
  stream_.reset();
  parts_.worker.post_after(parts_.retry_delay, [weak = weak_from_this()] {
    const auto call = weak.lock();
    if (call && call->exchange_) call->resolve();
  });
}

void RemoteCall::call_whole() {
  auto whole = std::make_shared<Whole>();
  prepare(whole->client, exchange_->context());
  whole->request = request_;
  whole->request.mutable_message()->mutable_data()->set_value(pieces_);
  whole->channel = stream_->channel();
  whole->stub = peer::ServiceInvocation::NewStub(whole->channel);
  stream_.reset();
  parts_.counter->begin();
  whole_ = whole;
  Whole& call = *whole;
  call.stub->async()->CallLocal(&call.client, &call.request, &call.response,
                                [whole = std::move(whole), weak = weak_from_this(), &worker = parts_.worker,
                                 counter = parts_.counter](const ::grpc::Status& status) mutable {
                                  worker.post([whole = std::move(whole), weak, status] {
                                    if (const auto call = weak.lock()) call->take_whole(*whole, status);
                                  });
                                  counter->end();
                                });
}

void RemoteCall::take_whole(const Whole& whole, const ::grpc::Status& status) {
  if (!exchange_) return;
  if (!status.ok()) return refuse(code_of(status), text_of(status));
  PeerAnswer answer = answer_of(whole.response);
  // The whole answer says its own length.
  std::erase_if(answer.headers,
                [](const net::OwnedHeader& one) { return net::equals_ignoring_case(one.name, "content-length"); });
  const std::vector<net::Header> headers = views_of(answer.headers);
  exchange_->respond(answer.status, headers, answer.body ? *answer.body : whole.response.message().data().value());
  end();
}

void RemoteCall::refuse(Code code, std::string why) {
  exchange_->refuse(make_error(code, std::move(why)));
  end();
}

void RemoteCall::cut() {
  if (answered_) exchange_->abort();
  end();
}

void RemoteCall::end() {
  const std::shared_ptr<RemoteCall> self = shared_from_this();
  cancel();
  exchange_.reset();
  over_(*this);
}

void RemoteCall::cancel() {
  if (stream_) {
    stream_->cancel();
    stream_->close();
    stream_.reset();
  }
  if (const auto whole = whole_.lock()) whole->client.TryCancel();
  whole_.reset();
}

}  // namespace tandem::api::grpc
