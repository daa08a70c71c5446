// A ResponseSink that gathers a whole answer up to a limit.
//
// For the small answers that Tandem itself asks an app for: verdicts, subscriptions. That worker's thread only.
#pragma once

#include <string>
#include <utility>

#include "net/response_sink.h"

namespace tandem::app {

struct CollectedAnswer {
  int status = 0;
  std::string body;
};

class CollectSink final : public net::ResponseSink {
 public:
  // Over `limit` bytes the answer fails with kResourceExhausted.
  CollectSink(std::size_t limit, Completion<CollectedAnswer> done) : limit_(limit), done_(std::move(done)) {}

  bool on_whole(int status, net::Headers, std::string_view body) override {
    answer_.status = status;
    append(body);
    finish();
    return true;
  }
  void on_head(int status, net::Headers) override { answer_.status = status; }
  void on_body(std::string_view piece, Completion<void> resume) override {
    append(piece);
    resume({});
  }
  void on_end(net::Headers) override { finish(); }
  void on_error(Error error) override { done_(fail(std::move(error))); }

 private:
  void append(std::string_view piece) {
    if (answer_.body.size() + piece.size() > limit_) {
      too_large_ = true;
    } else {
      answer_.body += piece;
    }
  }
  void finish() {
    if (too_large_) return done_(fail(Code::kResourceExhausted, "the app's answer is too large"));
    done_(std::move(answer_));
  }

  const std::size_t limit_;
  Completion<CollectedAnswer> done_;
  CollectedAnswer answer_;
  bool too_large_ = false;
};

}  // namespace tandem::app
