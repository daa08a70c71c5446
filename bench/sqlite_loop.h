// What SQLite alone gives: the file of a state.sqlite component, driven by bare loops of prepared statements.
//
// The file was made by the component before, so tables, journal and durability are the component's own; every set is
// durable when it is counted. Blocks, so never on a worker; one thread at a time calls a BareFile. A failure of SQLite
// ends the program with its message, since no figure would mean anything after it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace tandem::bench {

struct Rate {
  std::uint64_t operations = 0;
  double seconds = 0;
};

// Keys that all loops go round in, so that a file does not grow for as long as a benchmark runs.
inline constexpr std::uint64_t kKeys = 1000;
std::string key_of(std::uint64_t number);
// 64 bytes of text.
const std::string& value();

// Sets that a file takes before it is measured: its log has then reached the size that it keeps, and a sync of it no
// longer changes the size of a file.
inline constexpr std::uint64_t kWarmSets = 3000;

// The file stays open from first to last, as a component keeps it: SQLite removes the log with the last connection.
class BareFile final {
 public:
  explicit BareFile(const std::string& file);
  ~BareFile();

  void warm_up();
  // One thread, a commit a set.
  Rate sets(std::chrono::milliseconds duration);
  // `producers` threads that each wait for their set to be durable, and one writer that commits all that wait at once.
  Rate group_sets(std::chrono::milliseconds duration, int producers);
  // One thread; every key must be there.
  Rate gets(std::chrono::milliseconds duration);

 private:
  class Connection;
  class Group;

  const std::unique_ptr<Connection> connection_;
};

}  // namespace tandem::bench
