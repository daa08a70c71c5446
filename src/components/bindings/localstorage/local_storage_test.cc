#include "components/bindings/localstorage/local_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "components/bindings/localstorage/storage_path.h"

namespace tandem::components {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LocalStorageTest : public testing::Test {
 protected:
  LocalStorageTest() {
    fs::create_directories(folder_);
    root_ = fs::canonical(folder_).string() + "/root";
    storage_ = LocalStorage::open(root_).value();
  }
  ~LocalStorageTest() override {
    storage_.reset();
    fs::remove_all(folder_);
  }

  Result<bindings::InvokeAnswer> invoke(std::string operation, std::string name, std::string data = "null") {
    std::promise<Result<bindings::InvokeAnswer>> promise;
    Metadata metadata;
    if (!name.empty()) metadata.emplace("fileName", std::move(name));
    storage_->invoke({}, {std::move(operation), std::move(data), std::move(metadata)},
                     [&](Result<bindings::InvokeAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  // Its data, or its error.
  std::string text(std::string operation, std::string name, std::string data = "null") {
    const auto answer = invoke(std::move(operation), std::move(name), std::move(data));
    if (!answer) return answer.error().message;
    return answer->data == nullptr ? "(nothing)" : *answer->data;
  }
  std::string file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return "(no file)";
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  const std::string folder_ = testing::TempDir() + "local_storage_" + std::to_string(::getpid());
  std::string root_;
  std::unique_ptr<LocalStorage> storage_;
};

TEST_F(LocalStorageTest, WritesReadsListsAndDeletes) {
  EXPECT_EQ(text("create", "a/b.txt", "\"hello\""), R"({"fileName":"a/b.txt"})");
  EXPECT_EQ(file(root_ + "/a/b.txt"), "hello");
  EXPECT_EQ(text("get", "a/b.txt"), "hello");
  EXPECT_EQ(text("create", "a/b.txt", "{\"n\": 1}"), R"({"fileName":"a/b.txt"})");
  EXPECT_EQ(text("get", "a/b.txt"), "{\"n\": 1}");
  EXPECT_EQ(text("create", "c", "1"), R"({"fileName":"c"})");
  EXPECT_EQ(text("list", ""), "[\"" + root_ + "/a/b.txt\",\"" + root_ + "/c\"]");
  EXPECT_EQ(text("list", "a"), "[\"" + root_ + "/a/b.txt\"]");
  EXPECT_EQ(text("delete", "a/b.txt"), "(nothing)");
  EXPECT_EQ(text("list", "a"), "null");
  EXPECT_EQ(text("delete", "a"), "(nothing)");
  EXPECT_FALSE(fs::exists(root_ + "/a"));
}

TEST_F(LocalStorageTest, NamesAFileThatHasNone) {
  const std::string answer = text("create", "", "\"x y\"");
  ASSERT_THAT(answer, ::testing::MatchesRegex("[{]\"fileName\":\"[0-9a-f-]{36}\"[}]"));
  EXPECT_EQ(file(root_ + "/" + answer.substr(13, 36)), "x y");
}

TEST_F(LocalStorageTest, ATextThatIsBase64IsItsBytes) {
  text("create", "f", "\"aGVsbG8=\"");
  EXPECT_EQ(file(root_ + "/f"), "hello");
  text("create", "f", "aGVsbG8=");
  EXPECT_EQ(file(root_ + "/f"), "hello");
  text("create", "f", "\"no base64!\"");
  EXPECT_EQ(file(root_ + "/f"), "no base64!");
}

TEST_F(LocalStorageTest, FailsInGosWords) {
  text("create", "file", "1");
  text("create", "a/b", "1");
  const std::string in = root_ + "/";
  EXPECT_EQ(text("get", "gone"), "file not found: " + in + "gone");
  EXPECT_EQ(text("get", "a"), "error reading file " + in + "a: read " + in + "a: is a directory");
  EXPECT_EQ(text("get", ""), "error reading file " + root_ + ": read " + root_ + ": is a directory");
  EXPECT_EQ(text("delete", "gone"),
            "error deleting file " + in + "gone: remove " + in + "gone: no such file or directory");
  EXPECT_EQ(text("delete", "a"), "error deleting file " + in + "a: remove " + in + "a: directory not empty");
  EXPECT_EQ(text("list", "file"), "unable to list files as the file specified is not a directory: " + in + "file");
  EXPECT_EQ(text("list", "none"),
            "error getting stats for path " + in + "none: stat " + in + "none: no such file or directory");
  EXPECT_EQ(text("create", "file/x", "1"),
            "error creating directory " + in + "file: mkdir " + in + "file: not a directory");
  EXPECT_EQ(text("create", "a", "1"), "error creating file " + in + "a: open " + in + "a: is a directory");
  EXPECT_FALSE(invoke("delete", ""));
  EXPECT_FALSE(invoke("create", std::string("a\0b", 3), "1"));
  EXPECT_FALSE(invoke("create", std::string(300, 'n'), "1"));
}

TEST_F(LocalStorageTest, NoNameLeadsOutOfTheFolder) {
  const std::string outside = fs::canonical(folder_).string() + "/outside";
  fs::create_directories(outside);
  std::ofstream(outside + "/secret") << "s";
  fs::create_symlink(outside, root_ + "/absolute");
  fs::create_symlink("../outside", root_ + "/relative");
  fs::create_symlink("loop", root_ + "/loop");
  for (const char* name :
       {"../outside/secret", "/../outside/secret", "absolute/secret", "relative/secret", "a/../../outside/secret"}) {
    EXPECT_THAT(text("get", name), HasSubstr("file not found: " + root_)) << name;
  }
  EXPECT_EQ(text("create", "../../escaped", "1"), R"({"fileName":"escaped"})");
  EXPECT_EQ(text("create", "/etc/x", "1"), R"({"fileName":"etc/x"})");
  EXPECT_EQ(text("create", "absolute/new", "1"), R"({"fileName":")" + outside.substr(1) + R"(/new"})");
  EXPECT_EQ(file(outside + "/new"), "(no file)");
  EXPECT_EQ(file(root_ + outside + "/new"), "1");
  EXPECT_THAT(text("get", "loop"), HasSubstr("too many levels of symbolic links"));
  // A link is listed as a file, and not followed.
  EXPECT_THAT(text("list", ""), HasSubstr("\"" + root_ + "/loop\""));
  EXPECT_THAT(text("list", ""), ::testing::Not(HasSubstr("secret")));
}

TEST_F(LocalStorageTest, LinksInsideAreFollowed) {
  text("create", "real/file", "1");
  fs::create_symlink("real", root_ + "/link");
  EXPECT_EQ(text("get", "link/file"), "1");
  EXPECT_EQ(text("create", "link/other", "2"), R"({"fileName":"real/other"})");
}

TEST_F(LocalStorageTest, ALinkThatIsPutInTheWayIsNotFollowed) {
  fs::create_symlink("/etc", root_ + "/swapped");
  EXPECT_FALSE(open_folder(root_, {"swapped"}, 1, Missing::kFail).is_open());
  EXPECT_FALSE(open_folder(root_, {"swapped", "new"}, 2, Missing::kMake).is_open());
}

TEST_F(LocalStorageTest, SomeFoldersAreNone) {
  std::ofstream(root_ + "/file") << "x";
  fs::create_symlink("/proc", root_ + "/p");
  for (const std::string& path :
       {std::string(), std::string("/proc"), std::string("/proc/1/x"), std::string("/sys/"), std::string("/boot/x"),
        std::string("/var/run/secrets/x"), root_ + "/file", root_ + "/file/below", root_ + "/p/self"}) {
    EXPECT_FALSE(LocalStorage::open(path)) << path;
  }
  ASSERT_TRUE(LocalStorage::open(root_ + "/new/folder/"));
  EXPECT_TRUE(fs::is_directory(root_ + "/new/folder"));
}

TEST_F(LocalStorageTest, CloseLetsCallsFinish) {
  std::promise<void> done;
  storage_->invoke({}, {"create", "1", {{"fileName", "last"}}}, [&](const auto& answer) {
    EXPECT_TRUE(answer);
    done.set_value();
  });
  storage_->close(std::chrono::steady_clock::now() + std::chrono::seconds(20));
  done.get_future().wait();
  EXPECT_FALSE(invoke("get", "last"));
}

TEST_F(LocalStorageTest, CloseWaitsNoLongerThanItsDeadline) {
  // Both threads are held up; the third call never gets one.
  const auto release = std::make_shared<std::promise<void>>();
  const std::shared_future<void> released = release->get_future().share();
  std::promise<void> held[2];
  std::promise<void> ended[2];
  for (int i = 0; i < 2; ++i) {
    storage_->invoke({}, {"list", "", {}}, [released, &begun = held[i], &over = ended[i]](const auto&) {
      begun.set_value();
      released.wait();
      over.set_value();
    });
  }
  for (auto& one : held) one.get_future().wait();
  std::promise<Error> third;
  storage_->invoke({}, {"create", "1", {{"fileName", "late"}}}, [&](const auto& answer) {
    ASSERT_FALSE(answer);
    third.set_value(answer.error());
  });
  storage_->close(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  EXPECT_EQ(third.get_future().get().code, Code::kUnavailable);
  storage_.reset();
  release->set_value();
  for (auto& one : ended) one.get_future().wait();
  EXPECT_FALSE(fs::exists(root_ + "/late"));
}

}  // namespace
}  // namespace tandem::components
