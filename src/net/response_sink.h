// Where the answer to a request that Tandem itself makes arrives: over a socket (net/http_client.h) or from a Handler
// in the same process (net/in_process.h). And the owned form of such a request.
//
// A sink is owned by the call and destroyed after on_end() or on_error(), or when the call is cancelled. It is called
// on the worker that made the call, possibly before the call that started it returns. It must not throw.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/completion.h"
#include "base/error.h"
#include "net/http.h"

namespace tandem::net {

struct OwnedHeader {
  std::string name;
  std::string value;
};

using OwnedHeaders = std::vector<OwnedHeader>;

// A body that is there, or one that is pulled while it is sent.
using RequestBody = std::variant<std::string, std::unique_ptr<BodySource>>;

// One of: on_whole() returning true; on_head(), any number of on_body(), then on_end() or on_error(); on_error() alone.
// All views are valid during the call only.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;

  // The whole answer at once, when it is there. False: not taken, it comes through the functions below.
  virtual bool on_whole(int /*status*/, Headers /*headers*/, std::string_view /*body*/) { return false; }

  virtual void on_head(int status, Headers headers) = 0;
  // A piece of the body, never empty. The next one comes after `resume` was called; calling it with an error says that
  // no more is wanted: the sink ignores what still comes. on_end() may come without waiting for `resume`. `resume` may
  // deliver the next piece or the end before it returns, and the end destroys the sink: call it last.
  virtual void on_body(std::string_view piece, Completion<void> resume) = 0;
  virtual void on_end(Headers trailers) = 0;
  // There is no answer, or no more of it: what has come so far is not complete.
  virtual void on_error(Error error) = 0;
};

}  // namespace tandem::net
