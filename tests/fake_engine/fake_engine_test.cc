// The fake engine keeps the ABI's promises, and notices when the other side does not.

#include "fake_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tandem_wit.h"

namespace tandem::fake {
namespace {

using ::testing::HasSubstr;

std::string_view view(tdm_str text) { return {text.ptr, text.len}; }
tdm_str span(std::string_view text) { return {text.data(), text.size()}; }

// An instance of a script, and what it told.
class Guest final {
 public:
  explicit Guest(std::string_view script, std::uint32_t slots = 4) {
    const tdm_engine_config config{.max_instances = slots};
    EXPECT_EQ(tdm_engine_new(&config, &engine_), nullptr);
    tdm_module* module = nullptr;
    EXPECT_EQ(tdm_module_load(engine_, span(script), &module), nullptr);
    tdm_linker* linker = nullptr;
    EXPECT_EQ(tdm_linker_new(engine_, &linker), nullptr);
    const tdm_program_config grants{.max_memory_bytes = 8 << 20};
    EXPECT_EQ(tdm_program_new(module, linker, &grants, &program_), nullptr);
    tdm_linker_delete(linker);
    tdm_module_delete(module);
    instance = add();
  }
  ~Guest() {
    tdm_instance_delete(instance);
    tdm_program_delete(program_);
    tdm_engine_delete(engine_);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  tdm_instance* add() {
    tdm_instance* made = nullptr;
    if (tdm_error* error = tdm_instance_new(program_, &kEvents, this, this, &made)) {
      refused = view(tdm_error_get_message(error));
      tdm_error_delete(error);
    }
    return made;
  }

  // Starts a call with a whole body.
  void start(std::string_view body = "") {
    request_.method = span("POST");
    request_.target = span("/");
    request_.body = span(body);
    request_.body_whole = true;
    tdm_instance_start(instance, &request_, this);
  }
  int poll() { return tdm_instance_poll(instance); }
  // Waits for the waker.
  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(woken_.wait_for(lock, std::chrono::seconds(10), [this] { return wakes > 0; }));
    wakes = 0;
  }

  tdm_instance* instance = nullptr;
  void (*on_answer)(Guest&) = nullptr;  // called inside the answer
  int status = 0, outcome = 0, released = 0;
  int wakes = 0;  // behind mutex_ while another thread may fire
  bool whole = false, ended = false, was_cut = false, answered = false;
  std::string body, error, refused;
  std::vector<std::size_t> pieces;
  tdm_request request_{};
  tdm_exchange* exchange = nullptr;
  bool cancelled = false;

 private:
  static Guest& at(void* user) { return *static_cast<Guest*>(user); }
  static const tdm_instance_events kEvents;

  std::mutex mutex_;
  std::condition_variable woken_;
  tdm_engine* engine_ = nullptr;
  tdm_program* program_ = nullptr;
};

const tdm_instance_events Guest::kEvents = {
    .wake =
        [](void* waker) {
          Guest& guest = at(waker);
          const std::lock_guard lock(guest.mutex_);
          ++guest.wakes;
          guest.woken_.notify_all();
        },
    .release_waker = [](void* waker) { ++at(waker).released; },
    .log = [](void*, int, tdm_str) {},
    .answer =
        [](void* user, void*, uint16_t status, const tdm_header*, size_t, tdm_str body, bool whole) {
          Guest& guest = at(user);
          guest.status = status;
          guest.body += view(body);
          guest.pieces.push_back(body.len);
          guest.whole = whole;
          if (guest.on_answer) guest.on_answer(guest);
        },
    .answer_error = [](void* user, void*, tdm_str error) { at(user).error = view(error); },
    .answer_body =
        [](void* user, void*, tdm_str piece) {
          at(user).body += view(piece);
          at(user).pieces.push_back(piece.len);
        },
    .answer_end = [](void* user, void*, const tdm_header*, size_t) { at(user).ended = true; },
    .answer_cut = [](void* user, void*) { at(user).was_cut = true; },
    .want_body = [](void*, void*) {},
    .done =
        [](void* user, void*, int outcome, bool answered, const tdm_error* error) {
          at(user).outcome = outcome;
          at(user).answered = answered;
          if (error) at(user).error = view(tdm_error_get_message(error));
        },
    .http_send = [](void* user, tdm_exchange* exchange, const tdm_request*,
                    const tdm_timeouts*) { at(user).exchange = exchange; },
    .http_body = [](void*, tdm_exchange*, tdm_str) {},
    .http_body_end = [](void*, tdm_exchange*, bool, const tdm_header*, size_t) {},
    .http_want_body = [](void*, tdm_exchange*) {},
    .http_cancel = [](void* user, tdm_exchange*) { at(user).cancelled = true; },
};

TEST(FakeEngine, AnswersACallAndIsIdleAgain) {
  Guest guest("echo");
  guest.start("one");
  EXPECT_EQ(guest.poll(), TDM_POLL_IDLE);
  EXPECT_EQ(guest.status, 200);
  EXPECT_EQ(guest.body, "one");
  EXPECT_TRUE(guest.whole);
  EXPECT_TRUE(guest.answered);
  EXPECT_EQ(guest.outcome, TDM_RETURNED);
  guest.start("two");
  EXPECT_EQ(guest.poll(), TDM_POLL_IDLE);
  EXPECT_EQ(guest.body, "onetwo");
}

TEST(FakeEngine, ATrapEndsTheInstanceAndKeepsWhatIsWhole) {
  Guest guest("hello; trap");
  guest.start();
  EXPECT_EQ(guest.poll(), TDM_POLL_DEAD);
  EXPECT_EQ(guest.outcome, TDM_FAILED);
  EXPECT_TRUE(guest.answered);
  EXPECT_THAT(guest.error, HasSubstr("unreachable"));

  Guest unanswered("stream 1; trap");
  unanswered.start();
  EXPECT_EQ(unanswered.poll(), TDM_POLL_DEAD);
  EXPECT_FALSE(unanswered.answered);
  EXPECT_EQ(unanswered.status, 0);
}

TEST(FakeEngine, AStreamWaitsForItsReader) {
  Guest guest("stream 200");
  guest.start();
  EXPECT_EQ(guest.poll(), TDM_POLL_PENDING);
  EXPECT_EQ(guest.pieces, std::vector<std::size_t>{64 * 1024});
  EXPECT_FALSE(guest.whole);
  EXPECT_EQ(guest.poll(), TDM_POLL_PENDING);
  EXPECT_EQ(guest.pieces.size(), 1u);
  while (guest.outcome == 0) {
    tdm_call_drained(guest.instance);
    guest.poll();
    ASSERT_LE(guest.pieces.back(), 64u * 1024);
  }
  EXPECT_EQ(guest.body.size(), 200u * 1024);
  EXPECT_TRUE(guest.ended);
}

TEST(FakeEngine, WakesFromAnotherThread) {
  Guest guest("suspend 3; hello");
  guest.start();
  while (guest.poll() == TDM_POLL_PENDING) guest.wait();
  EXPECT_EQ(guest.body, "hello");
  EXPECT_EQ(guest.outcome, TDM_RETURNED);
}

TEST(FakeEngine, SlotsAreBoundedAndTheWakerIsReleasedInAnyCase) {
  Guest guest("hello", 1);
  EXPECT_EQ(guest.add(), nullptr);
  EXPECT_THAT(guest.refused, HasSubstr("slot"));
  EXPECT_EQ(guest.released, 1);
  tdm_instance_delete(guest.instance);
  EXPECT_EQ(guest.released, 2);
  guest.instance = guest.add();
  EXPECT_NE(guest.instance, nullptr);
}

TEST(FakeEngine, AnExchangeIsToldAndCancelled) {
  Guest guest("call http://somewhere/x");
  guest.start();
  EXPECT_EQ(guest.poll(), TDM_POLL_PENDING);
  ASSERT_NE(guest.exchange, nullptr);
  EXPECT_EQ(counts().exchanges, 1u);
  tdm_exchange_respond(guest.exchange, 201, nullptr, 0);
  tdm_exchange_body(guest.exchange, span("yes"));
  tdm_exchange_body_end(guest.exchange, nullptr, 0);
  EXPECT_EQ(guest.poll(), TDM_POLL_IDLE);
  EXPECT_EQ(guest.status, 201);
  EXPECT_EQ(guest.body, "yes");
  EXPECT_TRUE(guest.cancelled);
  tdm_exchange_release(guest.exchange);
  EXPECT_EQ(counts().exchanges, 0u);
}

TEST(FakeEngine, ScriptsAreChecked) {
  const tdm_engine_config config{.max_instances = 1};
  tdm_engine* engine = nullptr;
  ASSERT_EQ(tdm_engine_new(&config, &engine), nullptr);
  for (const char* script : {"", ";",
                             "\x7f"
                             "ELF",
                             "stream", "stream many", "hello you", "get store", "stream 9999999"}) {
    tdm_module* module = nullptr;
    tdm_error* error = tdm_module_load(engine, span(script), &module);
    ASSERT_NE(error, nullptr) << script;
    EXPECT_EQ(tdm_error_get_kind(error), TDM_ERROR_INVALID);
    tdm_error_delete(error);
  }
  tdm_engine_delete(engine);
}

// ---- what ends the process ----

class FakeEngineDeathTest : public ::testing::Test {
 protected:
  FakeEngineDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void start_and_poll(Guest& guest) {
  guest.start();
  guest.poll();
}

TEST_F(FakeEngineDeathTest, PollInsideACallback) {
  Guest guest("hello");
  guest.on_answer = [](Guest& self) { self.poll(); };
  EXPECT_DEATH(start_and_poll(guest), "no instance is polled inside a callback");
}

TEST_F(FakeEngineDeathTest, DeleteInsideACallback) {
  Guest guest("hello");
  guest.on_answer = [](Guest& self) { tdm_instance_delete(self.instance); };
  EXPECT_DEATH(start_and_poll(guest), "no instance is deleted inside a callback");
}

TEST_F(FakeEngineDeathTest, ASecondCall) {
  Guest guest("never-answer");
  start_and_poll(guest);
  EXPECT_DEATH(guest.start(), "takes a call when it is idle");
}

TEST_F(FakeEngineDeathTest, UseAfterDelete) {
  Guest guest("hello");
  EXPECT_DEATH(
      {
        tdm_instance_delete(guest.instance);
        guest.poll();
      },
      "not used after its end");
}

void finish_stream(Guest& guest) {
  while (guest.outcome == 0) {
    tdm_call_drained(guest.instance);
    guest.poll();
  }
}

TEST_F(FakeEngineDeathTest, ARequestThatDoesNotLiveUntilDone) {
  Guest guest("stream 200");
  std::string body = "what was asked";
  guest.start(body);
  EXPECT_EQ(guest.poll(), TDM_POLL_PENDING);
  body.assign(body.size(), '?');
  EXPECT_DEATH(finish_stream(guest), "live until done");
}

TEST_F(FakeEngineDeathTest, DrainedWithoutAPiece) {
  Guest guest("stream 1; never-answer");
  start_and_poll(guest);
  tdm_call_drained(guest.instance);
  EXPECT_DEATH(tdm_call_drained(guest.instance), "only a piece that was given is drained");
}

TEST_F(FakeEngineDeathTest, ABodyThatNobodyWanted) {
  Guest guest("never-answer");
  start_and_poll(guest);
  EXPECT_DEATH(tdm_call_body(guest.instance, span("x")), "follows want_body");
}

TEST_F(FakeEngineDeathTest, AnExchangeTwice) {
  Guest guest("call http://somewhere/x; never-answer");
  start_and_poll(guest);
  tdm_exchange_respond(guest.exchange, 200, nullptr, 0);
  EXPECT_DEATH(tdm_exchange_respond(guest.exchange, 200, nullptr, 0), "answered once");
  tdm_exchange_release(guest.exchange);
  EXPECT_DEATH(tdm_exchange_release(guest.exchange), "released once");
  EXPECT_DEATH(tdm_exchange_body(guest.exchange, span("x")), "after its release");
}

TEST_F(FakeEngineDeathTest, TwoThreadsOnOneInstance) {
  Guest guest("stream 1");
  guest.on_answer = [](Guest& self) { std::thread([&] { tdm_instance_memory_bytes(self.instance); }).join(); };
  EXPECT_DEATH(start_and_poll(guest), "by one thread at a time");
}

}  // namespace
}  // namespace tandem::fake
