// Ends what a server is doing for a session, from outside the session, as libpq does it: over a connection of its own,
// blocking. So each runs on a thread of its own, which is left to itself and touches nothing of the caller's: a server
// that cannot be reached holds nobody, nor the end of the process.
//
// Owned by the Connection whose session it is about; that connection's loop only. Nothing is promised: a request that
// does not arrive changes nothing.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem::components::postgresql {

class Interruption final {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;  // of PQconnectdbParams

  // The statement that the session is executing when the request arrives fails with kCancelled and is undone; it may be
  // another one than the caller thinks of.
  void cancel_statement(PGconn& session);
  // The session ends before its next statement: what it was sent and has not executed, it never will.
  void end_session(Parameters parameters, int session);

 private:
  // False: too many are under way.
  bool begin() const;

  const std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
};

// PostgreSQL's query_canceled.
inline constexpr std::string_view kCancelled = "57014";

}  // namespace tandem::components::postgresql
