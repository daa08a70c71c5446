// For tests: a sink that gathers an answer and hands it over when it is complete, or has failed.
#pragma once

#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/response_sink.h"

namespace tandem::net {

struct Outcome {
  int status = 0;
  std::string headers;  // "name=value;" for each
  std::string body;
  std::string trailers;
  std::optional<Error> error;
};

class CollectingSink final : public ResponseSink {
 public:
  explicit CollectingSink(std::promise<Outcome> promise) : promise_(std::move(promise)) {}
  void on_head(int status, Headers headers) override {
    outcome_.status = status;
    append(outcome_.headers, headers);
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    outcome_.body += piece;
    resume({});
  }
  void on_end(Headers trailers) override {
    append(outcome_.trailers, trailers);
    promise_.set_value(std::move(outcome_));
  }
  void on_error(Error error) override {
    outcome_.error = std::move(error);
    promise_.set_value(std::move(outcome_));
  }

 private:
  static void append(std::string& text, Headers headers) {
    for (const Header& header : headers) text.append(header.name).append("=").append(header.value).append(";");
  }
  std::promise<Outcome> promise_;
  Outcome outcome_;
};

}  // namespace tandem::net
