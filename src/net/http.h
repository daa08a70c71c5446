// HTTP as the rest of Tandem sees it: an Exchange (one request and its answer) and a Handler (who answers).
//
// One pair of types for every way a request comes in: a socket (net/http_server.h), a guest's own outgoing HTTP that is
// answered in the process, a pub/sub delivery, a service invocation. So the Dapr API and an app are both just Handlers.
//
// Threads: an Exchange belongs to one worker; every call on it and every completion from it happens there. All views
// that go in are used before the call returns; views that come out live as long as each function says.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/call_context.h"
#include "base/completion.h"
#include "base/text.h"

namespace tandem::net {

// A header name and value. Names compare without regard to case (RFC 9110, 5.1).
struct Header {
  std::string_view name;
  std::string_view value;
};

using Headers = std::span<const Header>;

// The first header called `name`, if any.
std::optional<std::string_view> find_header(Headers headers, std::string_view name);

using tandem::equals_ignoring_case;
// Compared like that with each of `names`.
bool is_one_of(std::string_view name, std::span<const std::string_view> names);

struct RequestHead {
  std::string_view method;     // "GET"; any token
  std::string_view scheme;     // "http" or "https"
  std::string_view authority;  // Host header or :authority, "localhost:3500"; may be empty
  std::string_view target;     // origin form with the query, as it was sent: "/v1.0/state/s/k?x=1"
  Headers headers;
};

// A body that is pulled in pieces.
class BodySource {
 public:
  virtual ~BodySource() = default;

  // The next piece; an empty view is the end. The view lives until the next call of read() or the end of the source.
  // One read at a time. Fails with kResourceExhausted over the body limit, kDeadlineExceeded when the peer stalls,
  // kCancelled when it is gone, kInvalidArgument for broken framing.
  virtual void read(Completion<std::string_view> done) = 0;

  // The whole body when all of it has already arrived (an empty view for no body), else nullopt. When it returns a
  // value the source is at its end. The view lives as long as the source.
  virtual std::optional<std::string_view> take_whole() = 0;

  // What followed the body (RFC 9110, 6.5), once its end has come by either way. Valid names and values, untouched
  // otherwise; the views live until the end of the source.
  virtual Headers trailers() const { return {}; }
};

// One request and its answer. Whoever holds it must answer: respond() once, or start(), write()…, finish(). Destroying
// it unanswered answers 500; destroying it between start() and finish() cuts the connection, so that no truncated
// answer looks complete.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Lives as long as the exchange, also after the client has gone.
  virtual const RequestHead& head() const = 0;
  virtual BodySource& body() = 0;
  virtual CallContext& context() = 0;

  // The whole answer at once. Content-Length is set here; do not pass it, nor Transfer-Encoding or Connection.
  // `body` is left out on the wire for HEAD, 204 and 304.
  virtual void respond(int status, Headers headers, std::string_view body) = 0;

  // The answer in pieces. A Content-Length among `headers` is kept (then exactly that many bytes must follow, or the
  // connection is cut); otherwise the body is chunked.
  virtual void start(int status, Headers headers) = 0;
  // `done` runs when more may be written: back-pressure. It fails with kCancelled when the client is gone. One at a
  // time.
  virtual void write(std::string_view piece, Completion<void> done) = 0;
  // The end of the body. Trailers are sent where the protocol can.
  virtual void finish(Headers trailers = {}) = 0;
  // The answer cannot be completed: cuts the connection (or resets the stream).
  virtual void abort() = 0;
  // Instead of an answer, before one has begun: there is none to be had, because the app that should give it cannot be
  // reached, say. Whoever made the exchange tells its caller in his own way; where nobody does it is a 500 with the
  // message as its text.
  virtual void refuse(const Error& error) { respond(500, {}, error.message); }

  // True once the client is known to have gone; writing is then pointless but harmless.
  virtual bool gone() const = 0;
  // `task` runs once when the client goes before all of its answer has left, on the worker, unless the exchange is gone
  // by then. One at a time. Exchanges that cannot hear of it never run it: those of HTTP/2 do.
  virtual void when_gone(Task) {}
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Takes the exchange over and answers it now or later, on the same worker. Must not throw.
  virtual void handle(std::unique_ptr<Exchange> exchange) = 0;
};

}  // namespace tandem::net
