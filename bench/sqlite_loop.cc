#include "sqlite_loop.h"

#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace tandem::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

// A connection with the component's durability: WAL, and a sync of the log for each commit.
class BareFile::Connection final {
 public:
  explicit Connection(const std::string& file) {
    check(sqlite3_open_v2(file.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
    execute("PRAGMA busy_timeout=2000");
    execute("PRAGMA synchronous=FULL");
    set_ = prepare(
        "INSERT OR REPLACE INTO state (key, value, is_binary, etag, update_time, expiration_time) "
        "VALUES (?1, ?2, 0, ?3, CURRENT_TIMESTAMP, NULL)");
    get_ = prepare("SELECT value, is_binary, etag, expiration_time FROM state WHERE key = ?1");
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    for (sqlite3_stmt* statement : {set_, get_, begin_, commit_}) sqlite3_finalize(statement);
    sqlite3_close(handle_);
  }

  void begin() { run(begin_); }
  void commit() { run(commit_); }

  void set(const std::string& key, const std::string& value, const std::string& etag) {
    bind(set_, 1, key);
    bind(set_, 2, value);
    bind(set_, 3, etag);
    run(set_);
  }

  // The value's length.
  int get(const std::string& key) {
    bind(get_, 1, key);
    if (sqlite3_step(get_) != SQLITE_ROW) fail("a key is missing");
    const int size = sqlite3_column_bytes(get_, 0);
    sqlite3_reset(get_);
    return size;
  }

 private:
  [[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "bench_state: SQLite: %s (%s)\n", what, sqlite3_errmsg(handle_));
    std::exit(1);
  }
  void check(int code) {
    if (code != SQLITE_OK) fail("a call failed");
  }
  void execute(const char* sql) { check(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr)); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
    return statement;
  }
  void bind(sqlite3_stmt* statement, int parameter, const std::string& text) {
    check(sqlite3_bind_text(statement, parameter, text.data(), static_cast<int>(text.size()), SQLITE_STATIC));
  }
  void run(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail("a statement failed");
    sqlite3_reset(statement);
  }

  sqlite3* handle_ = nullptr;
  sqlite3_stmt* set_ = nullptr;
  sqlite3_stmt* get_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
};

// What group commit is at its least: a list of keys, and two numbers that say how far the writer is.
class BareFile::Group final {
 public:
  // Returns when the set is durable.
  void set(std::string key) {
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(key));
    const std::uint64_t mine = ++asked_;
    work_.notify_one();
    done_.wait(lock, [&] { return committed_ >= mine; });
  }

  void write(Connection& connection) {
    std::vector<std::string> keys;
    std::uint64_t written = 0;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        keys.swap(waiting_);
      }
      connection.begin();
      for (const std::string& key : keys) connection.set(key, value(), std::to_string(++written));
      connection.commit();
      {
        std::lock_guard lock(mutex_);
        committed_ += keys.size();
      }
      done_.notify_all();
      keys.clear();
    }
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    work_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::vector<std::string> waiting_;
  std::uint64_t asked_ = 0;
  std::uint64_t committed_ = 0;
  bool closed_ = false;
};

std::string key_of(std::uint64_t number) { return "bench||k" + std::to_string(number % kKeys); }

const std::string& value() {
  static const std::string text = std::string(32, 'v') + std::string(32, 'w');
  return text;
}

BareFile::BareFile(const std::string& file) : connection_(std::make_unique<Connection>(file)) {}

BareFile::~BareFile() = default;

void BareFile::warm_up() {
  for (std::uint64_t n = 0; n < kWarmSets;) {
    connection_->begin();
    do {
      connection_->set(key_of(n), value(), std::to_string(n));
    } while (++n % 32 != 0 && n < kWarmSets);
    connection_->commit();
  }
}

Rate BareFile::sets(std::chrono::milliseconds duration) {
  Rate rate;
  const auto start = Clock::now();
  while (Clock::now() - start < duration) {
    ++rate.operations;
    connection_->begin();
    connection_->set(key_of(rate.operations), value(), std::to_string(rate.operations));
    connection_->commit();
  }
  rate.seconds = seconds_since(start);
  return rate;
}

Rate BareFile::group_sets(std::chrono::milliseconds duration, int producers) {
  Group group;
  std::thread writer([&] { group.write(*connection_); });
  std::atomic<std::uint64_t> operations = 0;
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < producers; ++i) {
    threads.emplace_back([&, i] {
      for (std::uint64_t n = static_cast<std::uint64_t>(i) * 31; Clock::now() - start < duration; ++n) {
        group.set(key_of(n));
        operations.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = seconds_since(start);
  group.close();
  writer.join();
  return {operations.load(), seconds};
}

Rate BareFile::gets(std::chrono::milliseconds duration) {
  Rate rate;
  std::uint64_t bytes = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < duration) {
    for (int i = 0; i < 64; ++i) bytes += static_cast<std::uint64_t>(connection_->get(key_of(++rate.operations)));
  }
  rate.seconds = seconds_since(start);
  if (bytes != rate.operations * value().size()) {
    std::fputs("bench_state: a value has the wrong length\n", stderr);
    std::exit(1);
  }
  return rate;
}

}  // namespace tandem::bench
