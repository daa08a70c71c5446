// Requests to a Handler from a test's thread, and the answers as values.
#pragma once

#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "net/in_process.h"

namespace tandem::conformance {

struct Answer {
  int status = 0;
  net::OwnedHeaders headers;
  std::string body;

  // "" when it is not there.
  std::string header(std::string_view name) const;
};

// Hands the request to `handler` on `worker`, its thread, and waits for the whole answer. Not on that thread. Fails
// with what broke the answer off, or with kDeadlineExceeded when none comes.
Result<Answer> ask(Executor& worker, net::Handler& handler, net::OwnedRequest request, std::string body);

}  // namespace tandem::conformance
