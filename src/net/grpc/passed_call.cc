#include "net/grpc/passed_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "net/grpc/header_metadata.h"
#include "net/grpc/server_stream.h"

namespace tandem::net::grpc {
namespace {

using ::grpc::ByteBuffer;

constexpr std::string_view kAppId = "dapr-app-id";
constexpr std::string_view kCallee = "dapr-callee-app-id";
constexpr std::string_view kCaller = "dapr-caller-app-id";
constexpr std::string_view kApiToken = "dapr-api-token";
constexpr std::string_view kDetails = "grpc-status-details-bin";  // the library's own, from the status

std::string_view view_of(::grpc::string_ref text) { return {text.data(), text.size()}; }

// Metadata that belong to one connection or one call, which the library writes for itself.
bool is_of_the_hop(std::string_view key) {
  constexpr auto kNames =
      std::to_array<std::string_view>({"user-agent", "te", "content-type", "content-length", "host"});
  if (key.starts_with(':') || std::ranges::find(kNames, key) != kNames.end()) return true;
  return key == kDetails || (key.starts_with("grpc-") && !key.ends_with("-bin"));
}

bool has_key(const MetadataPairs& pairs, std::string_view key) {
  return std::ranges::any_of(pairs, [&](const auto& pair) { return pair.first == key; });
}

// A connection that ends calls so is of no use for the next one. Not where the other side has sent the status: the
// connection has just carried that. The library tells one from its own in a text alone; a test holds it to that.
bool nobody_answered(const ::grpc::Status& status, const ::grpc::ClientContext& context) {
  return status.error_code() == ::grpc::StatusCode::UNAVAILABLE &&
         !context.debug_error_string().contains("Error received from peer");
}

// `from` is a map of the library's.
template <class Map>
MetadataPairs pairs_of(const Map& from) {
  MetadataPairs pairs;
  for (const auto& [key, value] : from) {
    if (!is_of_the_hop(view_of(key))) pairs.emplace_back(view_of(key), view_of(value));
  }
  return pairs;
}

ByteBuffer buffer_of(std::string_view message) {
  const ::grpc::Slice slice(message.data(), message.size());
  return {&slice, 1};
}

std::string bytes_of(const ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const ::grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// Two halves, a server's call and a client's. `users_` are those who may still start something on the client's half:
// the way back for as long as answers come, the way there for each message. The last one lets the library end it.
class PassedCall final : public ServerStream {
 public:
  PassedCall(IncomingCall call, const PassOptions& options)
      : ServerStream(std::move(call)), caller_(options.caller), cancelled_(options.cancelled) {}

  void open() { ServerStream::begin(); }

  // On any thread.
  void route(Result<CallRoute> route) {
    if (worker().running_here()) return begin(std::move(route));
    worker().post([self = shared(), route = std::move(route)]() mutable { self->begin(std::move(route)); });
  }

 private:
  enum class State { kFinding, kPassing, kEnded };

  class Back final : public ::grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
   public:
    explicit Back(PassedCall& call) : call_(call) {}
    std::shared_ptr<PassedCall> self;  // until OnDone()

   private:
    void OnReadInitialMetadataDone(bool ok) override { call_.take_head(ok); }
    void OnReadDone(bool ok) override { call_.take_answer(ok); }
    void OnWriteDone(bool ok) override {
      if (ok) call_.start_read();
    }
    void OnDone(const ::grpc::Status& status) override {
      const std::shared_ptr<PassedCall> last = std::move(self);
      call_.end(status);
      last->onward_->end();
    }
    PassedCall& call_;
  };

  std::shared_ptr<PassedCall> shared() { return std::static_pointer_cast<PassedCall>(shared_from_this()); }

  // On the worker.
  void begin(Result<CallRoute> route) {
    State finding = State::kFinding;
    if (!state_.compare_exchange_strong(finding, State::kPassing)) return;
    if (!route) {
      state_.store(State::kEnded);
      return finish(status_of(route.error()));
    }
    add_metadata(context_, onward_metadata(call(), *route, caller_));
    set_deadline(context_, call().deadline());
    broken_ = std::move(route->broken);
    stub_.emplace(route->channel);
    stub_->PrepareBidiStreamingCall(&context_, std::string(call().method()), {}, &back_);
    back_.self = shared();
    onward_ = call().rules().onward;
    onward_->begin();
    back_.AddHold();
    back_.StartCall();
    start_read();
  }

  bool use() {
    int users = users_.load();
    while (users > 0) {
      if (users_.compare_exchange_weak(users, users + 1)) return true;
    }
    return false;
  }
  void release() {
    if (users_.fetch_sub(1) == 1) back_.RemoveHold();
  }

  // The way there, on the worker.
  void on_read(std::optional<std::string_view> message) override {
    if (!use()) return;
    if (message) {
      request_ = buffer_of(*message);
      back_.StartWrite(&request_);
    } else {
      back_.StartWritesDone();
    }
    release();
  }

  // The way back, one step after the other.
  void take_head(bool ok) {
    if (!ok) return release();
    heard_ = !context_.GetServerInitialMetadata().empty();
    send_head(pairs_of(context_.GetServerInitialMetadata()));
    back_.StartRead(&answer_);
  }
  void take_answer(bool ok) {
    if (!ok) return release();
    heard_ = true;
    start_write(bytes_of(answer_));
  }
  void on_written(bool ok) override {
    if (ok) return back_.StartRead(&answer_);
    context_.TryCancel();
    release();
  }
  void end(const ::grpc::Status& status) {
    state_.store(State::kEnded);
    if (broken_ && !heard_ && nobody_answered(status, context_) && context_.GetServerTrailingMetadata().empty())
      broken_();
    finish(status, {.trailing = pairs_of(context_.GetServerTrailingMetadata())});
  }

  void on_gone() override {
    State state = State::kFinding;
    const bool found_nobody = state_.compare_exchange_strong(state, State::kEnded);
    if (state == State::kEnded) return;
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    if (found_nobody) return finish(::grpc::Status::CANCELLED);
    context_.TryCancel();
  }

  const std::string caller_;
  std::atomic<std::size_t>& cancelled_;
  std::atomic<State> state_ = State::kFinding;
  std::atomic<int> users_ = 1;  // the way back
  ::grpc::ClientContext context_;
  std::optional<::grpc::GenericStub> stub_;
  std::function<void()> broken_;
  std::shared_ptr<CallCounter> onward_;
  bool heard_ = false;  // something from the callee
  ByteBuffer request_;
  ByteBuffer answer_;
  Back back_{*this};
};

}  // namespace

std::optional<std::string> callee_of(const net::Exchange& exchange) {
  for (const std::string_view key : {kCallee, kAppId}) {
    const auto value = find_header(exchange.head().headers, key);
    if (value && !value->empty()) return std::string(*value);
  }
  return std::nullopt;
}

MetadataPairs onward_metadata(const ServerCall& call, const CallRoute& route, const std::string& caller) {
  MetadataPairs onward;
  MetadataPairs own = route.metadata;
  if (!has_key(own, kAppId)) own.emplace_back(kAppId, "");
  if (!has_key(own, kApiToken)) own.emplace_back(kApiToken, "");
  if (!caller.empty()) {
    const bool other = caller != route.app_id;
    own.emplace_back(kCaller, other ? caller : "");
    own.emplace_back(kCallee, other ? route.app_id : "");
  }
  call.for_each_metadatum([&](std::string_view key, std::string_view value) {
    // The library ends the process for others, and HTTP/2 lets more through.
    const bool is_valid = is_metadata(key, value) || (key.starts_with("grpc-") && key.ends_with("-bin"));
    if (is_of_the_hop(key) || has_key(own, key) || !is_valid) return;
    onward.emplace_back(key, value);
  });
  for (auto& [key, value] : own) {
    if (!value.empty()) onward.emplace_back(std::move(key), std::move(value));
  }
  return onward;
}

void add_metadata(::grpc::ClientContext& onward, const MetadataPairs& metadata) {
  for (const auto& [key, value] : metadata) onward.AddMetadata(key, value);
}

void set_deadline(::grpc::ClientContext& onward, SteadyTime deadline) {
  if (deadline == SteadyTime::max()) return;
  const auto left = deadline - std::chrono::steady_clock::now();
  onward.set_deadline(std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
}

AnswerMetadata answer_metadata(const ::grpc::ClientContext& onward) {
  return {.initial = pairs_of(onward.GetServerInitialMetadata()),
          .trailing = pairs_of(onward.GetServerTrailingMetadata())};
}

void pass_call(IncomingCall incoming, std::string_view target, const CallRouter& router, const PassOptions& options) {
  const auto call = std::make_shared<PassedCall>(std::move(incoming), options);
  call->open();
  // Destroyed uncalled, when a router goes away, it is an answer too.
  struct Guard {
    explicit Guard(std::shared_ptr<PassedCall> call) : call(std::move(call)) {}
    Guard(Guard&&) noexcept = default;
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (call) call->route(fail(Code::kUnavailable, "the sidecar is stopping"));
    }
    void operator()(Result<CallRoute> route) { std::exchange(call, nullptr)->route(std::move(route)); }
    std::shared_ptr<PassedCall> call;
  };
  router.find(target, Guard(call));
}

void refuse_call(IncomingCall call, const ::grpc::Status& status) { ServerCall(std::move(call)).finish(status); }

}  // namespace tandem::net::grpc
