// The answer of a guest that is written in pieces: between the engine's events and the exchange's back-pressure.
//
// Shared by the guest's call and by the write that is under way, because the guest may be done, dead or busy with its
// next call before the client has taken the last piece. One worker.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/instance.h"
#include "net/http.h"

namespace tandem::app {

// Appends a view of each field to `out`.
void append_headers(engine::Fields fields, std::vector<net::Header>& out);

class AnswerStream final : public std::enable_shared_from_this<AnswerStream> {
 public:
  // `instance` is told when a piece is written, until detach().
  AnswerStream(std::unique_ptr<net::Exchange> exchange, engine::Instance& instance)
      : exchange_(std::move(exchange)), instance_(&instance) {}

  void start(int status, net::Headers headers, std::string_view first);
  void write(std::string_view piece);
  void finish(engine::Fields trailers);
  void cut();
  // The call is over: the rest is written without the instance.
  void detach() { instance_ = nullptr; }

  net::Exchange& exchange() { return *exchange_; }

 private:
  enum class End { kOpen, kFinished, kCut };

  void send(std::string_view piece);
  void written(Status status);
  void end();

  std::unique_ptr<net::Exchange> exchange_;
  engine::Instance* instance_;
  bool writing_ = false;
  bool failed_ = false;
  End end_ = End::kOpen;
  std::string waiting_;  // came after the guest was done, while a write was under way
  std::vector<std::pair<std::string, std::string>> trailers_;
};

}  // namespace tandem::app
