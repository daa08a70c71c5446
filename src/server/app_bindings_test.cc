#include "server/app_bindings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace tandem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeInput final : public bindings::InputBinding {
 public:
  FakeInput(std::string name, std::vector<std::string>& read) : name_(std::move(name)), read_(read) {}
  Result<std::unique_ptr<Reading>> read(std::string, bindings::EventHandler) override {
    if (name_ == "broken") return fail(Code::kUnavailable, "no connection");
    read_.push_back(name_);
    struct Handle final : Reading {};
    return std::make_unique<Handle>();
  }

 private:
  const std::string name_;
  std::vector<std::string>& read_;
};

class NoSink final : public bindings::InputSink {
 public:
  void take(bindings::AppEvent, Completion<bindings::AppAnswer> done) override { done(bindings::AppAnswer{}); }
};

class AppBindingsTest : public testing::Test {
 protected:
  void add(const std::string& name, bindings::BindingEntry::Reader reader) {
    ASSERT_TRUE(service_.add({.name = name, .input = std::make_unique<FakeInput>(name, read_), .reader = reader}));
  }
  std::vector<std::string> wanted(const AskForBindings& ask) { return wanted_inputs("app", log_, service_, ask); }

  const Logger log_{Logger::Options{.level = LogLevel::kFatal}};
  std::vector<std::string> read_;
  NoSink sink_;
  bindings::BindingService service_{{}};
};

TEST_F(AppBindingsTest, OnlyThoseThatTheAppMustBeAskedForAreAskedFor) {
  using Reader = bindings::BindingEntry::Reader;
  add("asked", Reader::kAsk);
  add("named", Reader::kNamed);
  add("unwanted", Reader::kAsk);
  std::vector<std::string> offered;
  const auto names = wanted([&](const std::vector<bindings::BindingService::Input>& inputs) {
    for (const auto& input : inputs) offered.push_back(input.name);
    return std::vector<std::string>{"asked", "never heard of"};
  });
  EXPECT_THAT(offered, ElementsAre("asked", "unwanted"));
  EXPECT_THAT(names, ElementsAre("named", "asked"));
  EXPECT_THAT(wanted(nullptr), ElementsAre("named"));
}

TEST_F(AppBindingsTest, WithoutBindingsNobodyIsAsked) {
  EXPECT_THAT(wanted([](const auto&) -> std::vector<std::string> {
                ADD_FAILURE();
                return {};
              }),
              IsEmpty());
}

TEST_F(AppBindingsTest, OneThatCannotBeStartedStopsNoOther) {
  using Reader = bindings::BindingEntry::Reader;
  add("broken", Reader::kNamed);
  add("good", Reader::kNamed);
  start_inputs("app", log_, service_, sink_, {"broken", "good", "gone"});
  EXPECT_THAT(read_, ElementsAre("good"));
}

}  // namespace
}  // namespace tandem::server
