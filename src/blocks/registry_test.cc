#include "blocks/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Texts = Registry<std::string>;

std::vector<std::string> swept(Texts& texts) {
  std::vector<std::string> all;
  for (const auto& one : texts.sweep()) all.push_back(*one);
  return all;
}

TEST(RegistryTest, WhatIsReplacedGoesWhenItsLastUserGoes) {
  Texts texts;
  EXPECT_TRUE(texts.add("a", "first"));
  EXPECT_FALSE(texts.add("a", "other"));
  Texts::Pin before = texts.find("a");
  texts.put("a", std::string("second"));
  EXPECT_EQ(*before, "first");
  EXPECT_EQ(*texts.find("a"), "second");
  EXPECT_THAT(swept(texts), IsEmpty());
  EXPECT_TRUE(texts.has_retired());

  Texts::Pin moved = std::move(before);
  EXPECT_THAT(swept(texts), IsEmpty());
  moved = {};
  EXPECT_THAT(swept(texts), ElementsAre("first"));
  EXPECT_FALSE(texts.has_retired());
}

TEST(RegistryTest, WhatIsRemovedIsFoundNoMore) {
  Texts texts;
  texts.add("a", "first");
  texts.add("b", "other");
  {
    const auto all = texts.all();
    texts.remove("a");
    texts.remove("nobody");
    EXPECT_EQ(all.begin()->first, "a");
    EXPECT_THAT(swept(texts), IsEmpty());
  }
  EXPECT_FALSE(texts.find("a"));
  EXPECT_TRUE(texts.contains("b"));
  EXPECT_THAT(swept(texts), ElementsAre("first"));
}

TEST(RegistryTest, OthersThanOperationsMayUseIt) {
  Texts texts;
  texts.add("a", "first");
  texts.put("a", std::string("second"));
  bool used = true;
  const auto is_used = [&](const std::string& one) { return used && one == "first"; };
  EXPECT_THAT(texts.sweep(is_used), IsEmpty());
  EXPECT_EQ(texts.retired().size(), 1u);
  used = false;
  EXPECT_EQ(texts.sweep(is_used).size(), 1u);
  EXPECT_THAT(texts.retired(), IsEmpty());
}

TEST(RegistryTest, AnOperationWithoutEndHoldsOnlyWhatItMayHave) {
  Texts texts;
  texts.add("a", "first");
  const Texts::Pin endless = texts.find("a");
  texts.put("a", std::string("second"));
  EXPECT_THAT(swept(texts), IsEmpty());
  // Operations that begin now count on the other side, and do not hold what is there no more.
  Texts::Pin later = texts.find("a");
  texts.put("a", std::string("third"));
  later = {};
  EXPECT_EQ(*endless, "first");
  EXPECT_EQ(*texts.find("a"), "third");
}

// Entries that are used after they were handed out are seen by ASan and TSan, and by the mark.
TEST(RegistryTest, NobodyFindsWhatWasHandedOut) {
  struct Entry {
    std::shared_ptr<std::atomic<bool>> closed = std::make_shared<std::atomic<bool>>(false);
  };
  Registry<Entry> entries;
  entries.add("a", Entry());
  std::atomic<bool> end = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      // Overlapping, so that there is no moment without one.
      Registry<Entry>::Pin held = entries.find("a");
      while (!end.load(std::memory_order_relaxed)) {
        Registry<Entry>::Pin next = entries.find("a");
        if (held->closed->load() || next->closed->load()) ++wrong;
        held = std::move(next);
        reads.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  int closed = 0;
  for (int i = 0; i < 60; ++i) {
    entries.put("a", Entry());
    while (entries.has_retired()) {
      for (const auto& one : entries.sweep()) {
        one->closed->store(true);
        ++closed;
      }
      std::this_thread::yield();
    }
  }
  end = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(closed, 60);
  EXPECT_GT(reads, 0);
}

}  // namespace
}  // namespace tandem
