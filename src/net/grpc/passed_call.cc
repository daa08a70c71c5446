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

std::optional<std::string_view> first_value(const ::grpc::ServerContextBase& server, std::string_view key) {
  const auto& metadata = server.client_metadata();
  const auto found = metadata.find(::grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end() || found->second.empty()) return std::nullopt;
  return view_of(found->second);
}

::grpc::Status status_of(const Error& error) {
  return {static_cast<::grpc::StatusCode>(static_cast<int>(error.code)), error.message};
}

// A connection that ends calls so is of no use for the next one. Not where the other side has sent the status: the
// connection has just carried that. The library tells one from its own in a text alone; a test holds it to that.
bool nobody_answered(const ::grpc::Status& status, const ::grpc::ClientContext& context) {
  return status.error_code() == ::grpc::StatusCode::UNAVAILABLE &&
         !context.debug_error_string().contains("Error received from peer");
}

void initial_metadata(const ::grpc::ClientContext& onward, ::grpc::CallbackServerContext& server) {
  for (const auto& [key, value] : onward.GetServerInitialMetadata()) {
    if (is_of_the_hop(view_of(key))) continue;
    server.AddInitialMetadata(std::string(view_of(key)), std::string(view_of(value)));
  }
}

void trailing_metadata(const ::grpc::ClientContext& onward, ::grpc::CallbackServerContext& server) {
  for (const auto& [key, value] : onward.GetServerTrailingMetadata()) {
    if (is_of_the_hop(view_of(key))) continue;
    server.AddTrailingMetadata(std::string(view_of(key)), std::string(view_of(value)));
  }
}

// Two halves, a server's call and a client's. `users_` are those who may still start something on the client's half:
// the way back for as long as answers come, the way there for each message. The last one lets the library end it.
class PassedCall final : public std::enable_shared_from_this<PassedCall> {
 public:
  PassedCall(::grpc::GenericCallbackServerContext& server, const PassOptions& options)
      : server_(server), caller_(options.caller), cancelled_(options.cancelled) {}

  ::grpc::ServerGenericBidiReactor* open() {
    front_.self = shared_from_this();
    return &front_;
  }

  void begin(Result<CallRoute> route) {
    State finding = State::kFinding;
    if (!state_.compare_exchange_strong(finding, State::kPassing)) return;
    if (!route) {
      state_.store(State::kEnded);
      return front_.Finish(status_of(route.error()));
    }
    onward_metadata(server_, *route, caller_, context_);
    context_.set_deadline(server_.deadline());
    broken_ = std::move(route->broken);
    stub_.emplace(route->channel);
    stub_->PrepareBidiStreamingCall(&context_, server_.method(), {}, &back_);
    back_.self = shared_from_this();
    back_.AddHold();
    back_.StartCall();
    front_.StartRead(&request_);
  }

 private:
  enum class State { kFinding, kPassing, kEnded };

  class Front final : public ::grpc::ServerGenericBidiReactor {
   public:
    explicit Front(PassedCall& call) : call_(call) {}
    std::shared_ptr<PassedCall> self;  // until OnDone()

   private:
    void OnReadDone(bool ok) override { call_.take_request(ok); }
    void OnSendInitialMetadataDone(bool ok) override { call_.more_answers(ok); }
    void OnWriteDone(bool ok) override { call_.more_answers(ok); }
    void OnCancel() override { call_.cancel(); }
    void OnDone() override { const std::shared_ptr<PassedCall> last = std::move(self); }
    PassedCall& call_;
  };

  class Back final : public ::grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
   public:
    explicit Back(PassedCall& call) : call_(call) {}
    std::shared_ptr<PassedCall> self;  // until OnDone()

   private:
    void OnReadInitialMetadataDone(bool ok) override { call_.take_head(ok); }
    void OnReadDone(bool ok) override { call_.take_answer(ok); }
    void OnWriteDone(bool ok) override {
      if (ok) call_.front_.StartRead(&call_.request_);
    }
    void OnDone(const ::grpc::Status& status) override {
      const std::shared_ptr<PassedCall> last = std::move(self);
      call_.end(status);
    }
    PassedCall& call_;
  };

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

  // The way there.
  void take_request(bool ok) {
    if (!use()) return;
    if (ok) {
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
    initial_metadata(context_, server_);
    front_.StartSendInitialMetadata();
  }
  void more_answers(bool ok) {
    if (ok) return back_.StartRead(&answer_);
    context_.TryCancel();
    release();
  }
  void take_answer(bool ok) {
    if (!ok) return release();
    heard_ = true;
    front_.StartWrite(&answer_);
  }
  void end(const ::grpc::Status& status) {
    state_.store(State::kEnded);
    if (broken_ && !heard_ && nobody_answered(status, context_) && context_.GetServerTrailingMetadata().empty())
      broken_();
    trailing_metadata(context_, server_);
    front_.Finish(status);
  }

  // On any thread, at any time until the front is done.
  void cancel() {
    State state = State::kFinding;
    const bool found_nobody = state_.compare_exchange_strong(state, State::kEnded);
    if (state == State::kEnded) return;
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    if (found_nobody) return front_.Finish(::grpc::Status::CANCELLED);
    context_.TryCancel();
  }

  ::grpc::GenericCallbackServerContext& server_;
  const std::string caller_;
  std::atomic<std::size_t>& cancelled_;
  std::atomic<State> state_ = State::kFinding;
  std::atomic<int> users_ = 1;  // the way back
  ::grpc::ClientContext context_;
  std::optional<::grpc::GenericStub> stub_;
  std::function<void()> broken_;
  bool heard_ = false;  // something from the callee
  ByteBuffer request_;
  ByteBuffer answer_;
  Front front_{*this};
  Back back_{*this};
};

class RefusedCall final : public ::grpc::ServerGenericBidiReactor {
 public:
  explicit RefusedCall(::grpc::Status status) { Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

std::optional<std::string_view> callee_of(const ::grpc::ServerContextBase& server) {
  if (const auto callee = first_value(server, kCallee)) return callee;
  return first_value(server, kAppId);
}

void onward_metadata(const ::grpc::ServerContextBase& server, const CallRoute& route, const std::string& caller,
                     ::grpc::ClientContext& onward) {
  MetadataPairs own = route.metadata;
  if (!has_key(own, kAppId)) own.emplace_back(kAppId, "");
  if (!has_key(own, kApiToken)) own.emplace_back(kApiToken, "");
  if (!caller.empty()) {
    const bool other = caller != route.app_id;
    own.emplace_back(kCaller, other ? caller : "");
    own.emplace_back(kCallee, other ? route.app_id : "");
  }
  for (const auto& [key_ref, value] : server.client_metadata()) {
    const std::string_view key = view_of(key_ref);
    if (is_of_the_hop(key) || has_key(own, key)) continue;
    onward.AddMetadata(std::string(key), std::string(view_of(value)));
  }
  for (const auto& [key, value] : own) {
    if (!value.empty()) onward.AddMetadata(key, value);
  }
}

void answer_metadata(const ::grpc::ClientContext& onward, ::grpc::CallbackServerContext& server) {
  initial_metadata(onward, server);
  trailing_metadata(onward, server);
}

::grpc::ServerGenericBidiReactor* pass_call(::grpc::GenericCallbackServerContext& server, std::string_view target,
                                            const CallRouter& router, const PassOptions& options) {
  const auto call = std::make_shared<PassedCall>(server, options);
  ::grpc::ServerGenericBidiReactor* const reactor = call->open();
  // Destroyed uncalled, when a router goes away, it is an answer too.
  struct Guard {
    explicit Guard(std::shared_ptr<PassedCall> call) : call(std::move(call)) {}
    Guard(Guard&&) noexcept = default;
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (call) call->begin(fail(Code::kUnavailable, "the sidecar is stopping"));
    }
    void operator()(Result<CallRoute> route) { std::exchange(call, nullptr)->begin(std::move(route)); }
    std::shared_ptr<PassedCall> call;
  };
  router.find(target, Guard(call));
  return reactor;
}

::grpc::ServerGenericBidiReactor* refuse_call(::grpc::Status status) { return new RefusedCall(std::move(status)); }

}  // namespace tandem::net::grpc
