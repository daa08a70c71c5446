// Answers in pieces: as fast as the client takes them, and to their end although the guest has long done something
// else.

#include "app/answer_stream.h"

#include "app/testing/test_guests.h"

namespace tandem::app {
namespace {

using net::wait_for;
using ::testing::HasSubstr;

std::string streamed(std::size_t kib) {
  std::string text;
  for (std::size_t i = 0; i < kib * 1024; ++i) text += static_cast<char>('a' + i % 26);
  return text;
}

TEST(AnswerStream, TheGuestIsHeldBackByItsClient) {
  Rig rig;
  GuestPool& pool = rig.pool();
  const auto seen = rig.send_held(pool, "stream 300");
  std::size_t pieces = 0;
  std::size_t bytes = 0;
  while (true) {
    ASSERT_TRUE(wait_for([&] { return seen->held() || seen->over(); }));
    if (seen->over()) break;
    ++pieces;
    const std::size_t now = seen->body().size();
    // Never more than one buffer of the engine at a time.
    EXPECT_LE(now - bytes, 64u * 1024);
    bytes = now;
    seen->take_piece();
  }
  EXPECT_GE(pieces, 5u);
  EXPECT_EQ(seen->body(), streamed(300));
  EXPECT_EQ(seen->error(), "");
}

TEST(AnswerStream, TheRestIsWrittenWhileTheInstanceServesTheNextCall) {
  Rig rig;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  // The last piece is with the client when the guest is done.
  const auto slow = rig.send_held(pool, "stream 1; suspend 1");
  ASSERT_TRUE(wait_for([&] { return slow->held(); }));
  const auto next = rig.send(pool, "hello");
  EXPECT_EQ(next->wait().body(), "hello");
  EXPECT_FALSE(slow->over());
  slow->take_all();
  EXPECT_EQ(slow->wait().body(), streamed(1));
  EXPECT_EQ(slow->error(), "");
  EXPECT_EQ(slow->instance(), next->instance());
}

TEST(AnswerStream, ATrapAfterTheHeadCutsTheAnswer) {
  Rig rig;
  GuestPool& pool = rig.pool();
  const auto seen = rig.send(pool, "stream 100; trap");
  EXPECT_EQ(seen->wait().status(), 200);
  EXPECT_THAT(seen->error(), HasSubstr("cut off"));
  // Also when the client is slower than the trap.
  const auto slow = rig.send_held(pool, "stream 1; suspend 1; trap");
  ASSERT_TRUE(wait_for([&] { return slow->held(); }));
  ASSERT_TRUE(wait_for([&] { return rig.count(GuestObserver::End::kTrapped) == 2; }));
  EXPECT_FALSE(slow->over());
  slow->take_all();
  EXPECT_THAT(slow->wait().error(), HasSubstr("cut off"));
}

TEST(AnswerStream, AClientThatLeavesDoesNotEndTheGuest) {
  Rig rig;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  const auto seen = rig.send_held(pool, "stream 1000");
  ASSERT_TRUE(wait_for([&] { return seen->held(); }));
  seen->leave();
  // The guest runs to its end, unread, and its instance is used again.
  const auto next = rig.send(pool, "hello");
  EXPECT_EQ(next->wait().header("fake-call"), "2");
  EXPECT_EQ(rig.made(), 1);
  EXPECT_EQ(rig.count(GuestObserver::End::kAnswered), 2);
}

TEST(AnswerStream, BothBodiesAreStreamed) {
  Rig rig;
  GuestPool& pool = rig.pool("echo");
  EXPECT_EQ(rig.send(pool, TestRequest{.body = streamed(3)})->wait().body(), streamed(3));

  // A body that comes piece by piece, from the worker and from outside.
  class Pieces final : public net::BodySource {
   public:
    Pieces(net::Worker& worker, int count) : worker_(worker), left_(count) {}
    void read(Completion<std::string_view> done) override {
      piece_.assign(10'000, static_cast<char>('a' + left_ % 26));
      const std::string_view piece = left_-- > 0 ? std::string_view(piece_) : std::string_view();
      if (left_ % 2 == 0) return done(piece);
      worker_.post([done = std::move(done), piece]() mutable { done(piece); });
    }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }

   private:
    net::Worker& worker_;
    int left_;
    std::string piece_;
  };
  const auto seen = rig.send(pool, TestRequest{.body = std::make_unique<Pieces>(rig.workers[0], 40)});
  EXPECT_EQ(seen->wait().body().size(), 400'000u);
  EXPECT_EQ(seen->error(), "");
}

TEST(AnswerStream, ARequestThatBreaksOffIsSeenByTheGuest) {
  class Broken final : public net::BodySource {
   public:
    void read(Completion<std::string_view> done) override { done(fail(Code::kCancelled, "the client is gone")); }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }
  };
  Rig rig;
  GuestPool& pool = rig.pool("echo");
  const auto seen = rig.send(pool, TestRequest{.body = std::make_unique<Broken>()});
  // The head had left before the guest saw it.
  EXPECT_EQ(seen->wait().status(), 200);
  EXPECT_THAT(seen->error(), HasSubstr("cut off"));
}

TEST(AnswerStream, AReadThatEndsAfterItsCallIsForNobody) {
  class Held final : public net::BodySource {
   public:
    explicit Held(Completion<std::string_view>& waiting) : waiting_(waiting) {}
    void read(Completion<std::string_view> done) override { waiting_ = std::move(done); }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }

   private:
    Completion<std::string_view>& waiting_;
  };
  Rig rig;
  rig.options.request_timeout = std::chrono::milliseconds(50);
  GuestPool& pool = rig.pool("echo");
  Completion<std::string_view> waiting;
  const auto seen = rig.send(pool, TestRequest{.body = std::make_unique<Held>(waiting)});
  EXPECT_THAT(seen->wait().error(), HasSubstr("cut off"));
  rig.on([&] { std::exchange(waiting, nullptr)(std::string_view("too late")); });
  EXPECT_EQ(rig.gone(), 1);
}

}  // namespace
}  // namespace tandem::app
