// One call of an app outside the process: an exchange, and the HTTP request that it becomes.
//
// Kept alive by its lane until it is over, and by the request. Bodies are streamed both ways with back-pressure. One
// worker. A caller that leaves ends it, within half a second or so, and its deadline does, also while it waits for its
// turn. An app that cannot be reached, or answers with what is no HTTP, is Dapr's 500 with ERR_DIRECT_INVOKE; an
// answer that breaks off is cut off too.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "app/call_limit.h"
#include "app/external_options.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/timeout_wheel.h"

namespace tandem::app {

class ExternalCall;

// What the calls of one worker share; outlives them.
struct ExternalLane {
  net::Worker& worker;
  net::HttpClient& client;
  const ExternalOptions& options;
  std::unordered_set<std::shared_ptr<ExternalCall>> calls;
  Task idle;  // runs once, when there are none
};

class ExternalCall final : public std::enable_shared_from_this<ExternalCall>, private net::TimeoutEntry {
 public:
  ExternalCall(ExternalLane& lane, std::unique_ptr<net::Exchange> exchange)
      : lane_(lane), exchange_(std::move(exchange)) {}
  ~ExternalCall();

  // Before anything else: from here on the call ends with its deadline, and when its caller leaves.
  void watch();
  // Sends the request. Nothing happens when the call is over already, or overdue.
  void send(CallLimit::Slot slot);
  // There is no request: answers why.
  void refuse(std::string_view cause);
  // Ends the call wherever it is; an exchange that has no answer gets a 500, one that has half of one is cut off.
  void cancel();

  // The request's body, for the client.
  void read_body(Completion<std::string_view> done);
  net::Headers request_trailers() const;

 private:
  class Sink;
  class Body;

  net::ClientRequest request();
  void answer_whole(int status, net::Headers headers, std::string_view body);
  void answer_head(int status, net::Headers headers);
  void answer_piece(std::string_view piece, Completion<void> resume);
  void answer_end(net::Headers trailers);
  void answer_failed(const Error& error);
  void on_timeout() override;
  bool overdue() const;
  void lapse();
  void end();
  std::string url() const;

  ExternalLane& lane_;
  std::unique_ptr<net::Exchange> exchange_;  // null: the call is over
  CallLimit::Slot slot_;
  net::ClientHandle handle_;
  bool answering_ = false;
};

}  // namespace tandem::app
