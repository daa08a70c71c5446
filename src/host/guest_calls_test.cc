// A guest in the text format that calls through the engine into the blocks: what suspends it and what it gets back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "base/testing/test_loop.h"
#include "host/guest_caller.h"
#include "host/host_interfaces.h"

namespace tandem::host {
namespace {

// Reads "k", writes it to "copy"; calls the app "callee" and writes the answer's body, or the error's message, to
// "answer".
constexpr std::string_view kGuest = R"((component $guest
  (import "tandem:dapr/types@0.1.0" (instance $types
    (type $c0 (enum "cancelled" "unknown" "invalid-argument" "deadline-exceeded" "not-found" "already-exists"
      "permission-denied" "resource-exhausted" "failed-precondition" "aborted" "out-of-range" "unimplemented" "internal"
      "unavailable" "data-loss" "unauthenticated"))
    (export "code" (type $c (eq $c0)))
    (type $e0 (record (field "code" $c) (field "reason" string) (field "message" string)))
    (export "error" (type (eq $e0)))))
  (alias export $types "error" (type $error))
  (import "tandem:dapr/state@0.1.0" (instance $state
    (alias outer $guest $error (type $e0))
    (export "error" (type $e (eq $e0)))
    (export "get" (func (param "store" string) (param "key" string) (result (result (option (list u8)) (error $e)))))
    (export "set" (func (param "store" string) (param "key" string) (param "value" (list u8))
      (result (result (error $e)))))))
  (import "tandem:dapr/invoke@0.1.0" (instance $invoke
    (alias outer $guest $error (type $e0))
    (export "error" (type $e (eq $e0)))
    (type $h0 (list (tuple string (list u8))))
    (export "headers" (type $h (eq $h0)))
    (type $q0 (record (field "method" string) (field "path" string) (field "headers" $h) (field "body" (list u8))))
    (export "request" (type $q (eq $q0)))
    (type $r0 (record (field "status" u16) (field "headers" $h) (field "body" (list u8))))
    (export "response" (type $r (eq $r0)))
    (export "call" (func (param "app-id" string) (param "request" $q) (result (result $r (error $e)))))))
  (core module $libc
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $get (canon lower (func $state "get")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $set (canon lower (func $state "set")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $call (canon lower (func $invoke "call")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main
    (import "libc" "memory" (memory 4))
    (import "host" "get" (func $get (param i32 i32 i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 16) "s") (data (i32.const 32) "k") (data (i32.const 48) "copy") (data (i32.const 64) "answer")
    (data (i32.const 80) "callee") (data (i32.const 96) "PUT") (data (i32.const 112) "/x") (data (i32.const 128) "hi")
    (func (export "run") (result i32)
      (call $get (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 256))
      (call $set (i32.const 16) (i32.const 1) (i32.const 48) (i32.const 4)
        (i32.load (i32.const 264)) (i32.load (i32.const 268)) (i32.const 512))
      (call $call (i32.const 80) (i32.const 6) (i32.const 96) (i32.const 3) (i32.const 112) (i32.const 2)
        (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 2) (i32.const 256))
      (call $set (i32.const 16) (i32.const 1) (i32.const 64) (i32.const 6)
        (i32.load (i32.const 272)) (i32.load (i32.const 276)) (i32.const 512))
      (i32.const 0)))
  (core instance $main (instantiate $main (with "libc" (instance $libc))
    (with "host" (instance (export "get" (func $get)) (export "set" (func $set)) (export "call" (func $call))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli))))";

enum class Answers { kInPlace, kLater };

// A map. Late answers wait in `late`.
class MapStore final : public state::Store {
 public:
  explicit MapStore(Answers answers) : answers_(answers) {}

  state::Features features() const override { return {}; }
  bool in_place() const override { return answers_ == Answers::kInPlace; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext&, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    const auto found = values.find(request.key);
    answer([done = std::move(done), data = found == values.end() ? nullptr : found->second]() mutable {
      done(state::GetResponse{.data = std::move(data)});
    });
  }
  void set(const CallContext&, state::SetRequest request, Completion<void> done) override {
    values.insert_or_assign(std::move(request.key), std::move(request.value));
    answer([done = std::move(done)]() mutable { done({}); });
  }
  void remove(const CallContext&, state::DeleteRequest, Completion<void> done) override { done({}); }

  std::string at(std::string_view key) const {
    const auto found = values.find(key);
    return found == values.end() ? "(none)" : *found->second;
  }

  std::map<std::string, SharedBytes, std::less<>> values;
  std::vector<Task> late;

 private:
  void answer(Task task) {
    if (answers_ == Answers::kInPlace) return task();
    late.push_back(std::move(task));
  }

  const Answers answers_;
};

// An app that answers with what it was asked, or keeps the exchange.
class EchoApp final : public invoke::Endpoint, public net::Handler {
 public:
  net::Handler& handler(std::size_t) override { return *this; }
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    ASSERT_FALSE(*guest_polled) << "called from inside the guest's poll";
    const std::string method(exchange->head().method);
    const std::string target(exchange->head().target);
    const std::string caller(net::find_header(exchange->head().headers, "dapr-caller-app-id").value_or("?"));
    const std::string body(exchange->body().take_whole().value_or("?"));
    exchange->respond(200, {}, method + " " + target + " " + body + " from " + caller);
  }

  const bool* guest_polled = nullptr;
};

class Guest final : public GuestCaller {
 public:
  Guest(const engine::Program& program, TestLoop& loop, HostServices& services) : loop_(loop), services_(services) {
    auto made = engine::Instance::make(program, *this, loop);
    EXPECT_TRUE(made) << made.error().message;
    instance_ = std::move(*made);
    request_.method = engine::span("GET");
    request_.target = engine::span("/");
    request_.body_whole = true;
    instance_->start(request_);
    poll();
  }

  const CallContext& context() const override { return context_; }
  Executor& executor() override { return loop_; }
  std::size_t worker_index() const override { return 0; }
  HostServices& services() override { return services_; }

  void on_wake() override { poll(); }
  void on_log(engine::LogStream, std::string_view) override {}
  void on_answer(int, engine::Fields, std::string_view, engine::AnswerPart) override { instance_->drained(); }
  void on_answer_error(std::string_view) override {}
  void on_answer_body(std::string_view) override { instance_->drained(); }
  void on_answer_end(engine::Fields) override {}
  void on_answer_cut() override {}
  void on_want_body() override {}
  void on_done(engine::Outcome, bool, std::string_view) override { done = true; }
  void on_http_send(tdm_exchange*, const tdm_request&, const tdm_timeouts&) override {}
  void on_http_body(tdm_exchange*, std::string_view) override {}
  void on_http_body_end(tdm_exchange*, bool, engine::Fields) override {}
  void on_http_want_body(tdm_exchange*) override {}
  void on_http_cancel(tdm_exchange*) override {}

  bool done = false;
  bool polled = false;
  int polls = 0;

 private:
  void poll() {
    if (instance_ == nullptr || done) return;
    ++polls;
    polled = true;
    instance_->poll();
    polled = false;
  }

  TestLoop& loop_;
  HostServices& services_;
  const CallContext context_{.app_id = "app"};
  tdm_request request_ = {};
  std::unique_ptr<engine::Instance> instance_;
};

class GuestCalls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto made = engine::Runtime::make({.max_instances = 10, .max_memory_bytes = 16 << 20, .tick_ms = 60'000});
    ASSERT_TRUE(made) << made.error().message;
    runtime_ = made->release();
  }
  static void TearDownTestSuite() { delete std::exchange(runtime_, nullptr); }

  void use(Answers answers) {
    auto store = std::make_unique<MapStore>(answers);
    store_ = store.get();
    ASSERT_TRUE(state_.add({.name = "s", .store = std::move(store)}));
    auto module = engine::Module::load(*runtime_, kGuest);
    ASSERT_TRUE(module) << module.error().message;
    auto linker = engine::Linker::make(*runtime_);
    ASSERT_TRUE(linker) << linker.error().message;
    const Status linked = link_host_interfaces((*linker)->raw(), {{"name", "value"}});
    ASSERT_TRUE(linked) << linked.error().message;
    EXPECT_FALSE(link_host_interfaces((*linker)->raw(), {})) << "linked twice";
    auto program = engine::Program::make(**module, **linker, {});
    ASSERT_TRUE(program) << program.error().message;
    program_ = std::move(*program);
  }

  static engine::Runtime* runtime_;
  TestLoop loop_;
  state::StateService state_{""};
  pubsub::PubsubService pubsub_;
  invoke::InvokeService invoke_;
  bindings::BindingService bindings_{bindings::BindingService::Options{}};
  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  HostServices services_{state_, pubsub_, invoke_, bindings_, secrets_, configuration_};
  MapStore* store_ = nullptr;
  std::unique_ptr<engine::Program> program_;
};

engine::Runtime* GuestCalls::runtime_ = nullptr;

TEST_F(GuestCalls, OnlyTheOtherAppSuspendsAGuestWithAStoreInPlace) {
  use(Answers::kInPlace);
  EchoApp callee;
  ASSERT_TRUE(invoke_.add("callee", callee));
  store_->values.emplace("app||k", share("value"));
  Guest guest(*program_, loop_, services_);
  callee.guest_polled = &guest.polled;
  EXPECT_EQ(store_->at("app||copy"), "value");
  EXPECT_EQ(store_->at("app||answer"), "(none)");
  ASSERT_TRUE(loop_.run_until([&] { return guest.done; }));
  EXPECT_EQ(store_->at("app||answer"), "PUT /x hi from app");
}

TEST_F(GuestCalls, LateAnswersComeHomeAndWakeTheGuest) {
  use(Answers::kLater);
  EchoApp callee;
  ASSERT_TRUE(invoke_.add("callee", callee));
  store_->values.emplace("app||k", share("value"));
  Guest guest(*program_, loop_, services_);
  callee.guest_polled = &guest.polled;
  EXPECT_EQ(store_->at("app||copy"), "(none)");
  ASSERT_TRUE(loop_.run_until([&] {
    for (Task& task : std::exchange(store_->late, {})) task();
    return guest.done;
  }));
  EXPECT_EQ(store_->at("app||copy"), "value");
  EXPECT_EQ(store_->at("app||answer"), "PUT /x hi from app");
  EXPECT_GE(guest.polls, 5);
}

TEST_F(GuestCalls, AnErrorReachesTheGuest) {
  use(Answers::kInPlace);
  Guest guest(*program_, loop_, services_);
  ASSERT_TRUE(loop_.run_until([&] { return guest.done; }));
  EXPECT_EQ(store_->at("app||answer"), "failed to invoke, id: callee, err: couldn't find service: callee");
}

TEST_F(GuestCalls, AnAnswerToAGuestThatIsGoneIsDropped) {
  use(Answers::kLater);
  const SharedBytes value = share("value");
  store_->values.emplace("app||k", value);
  {
    Guest guest(*program_, loop_, services_);
    // A guest whose time slice has ended asks in its next one.
    ASSERT_TRUE(loop_.run_until([&] { return store_->late.size() == 1; }));
  }
  for (Task& task : std::exchange(store_->late, {})) task();
  loop_.run_ready();
  EXPECT_EQ(value.use_count(), 2) << "here and in the store";
}

TEST_F(GuestCalls, ACallThatIsDroppedIsCancelled) {
  use(Answers::kLater);
  Guest guest(*program_, loop_, services_);
  // get, then set: the guest goes on with an error each time, up to the call, for which there is nobody.
  ASSERT_TRUE(loop_.run_until([&] {
    store_->late.clear();
    return guest.done;
  }));
  EXPECT_EQ(store_->at("app||copy"), "") << "the reason of a cancelled get";
  EXPECT_THAT(store_->at("app||answer"), ::testing::HasSubstr("couldn't find service"));
}

}  // namespace
}  // namespace tandem::host
