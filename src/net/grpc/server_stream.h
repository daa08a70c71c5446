// A call of gRPC whose messages go on for as long as it likes, in either direction: what its method is made of.
//
// begin() ties it to itself until its end, finish() unties it; others may hold it longer. What is protected may be
// called from any thread and never calls back before it returns; the reactions run on the call's worker, one after the
// other. One read and one write at a time: each is answered once, the last ones (with nothing, false) at the end. Once
// the client has gone (its deadline passed, the server ended) there is one on_gone(), and then finish() ends what there
// is to end here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/grpc/server_call.h"

namespace tandem::net::grpc {

class ServerStream : public std::enable_shared_from_this<ServerStream> {
 public:
  virtual ~ServerStream() = default;

 protected:
  explicit ServerStream(IncomingCall call) : call_(std::move(call)) {}

  // On the worker, before anything else.
  void begin();

  void start_read();
  void start_write(std::string message);
  // Before the first message; only then.
  void send_head(MetadataPairs initial);
  // What comes first counts.
  void finish(::grpc::Status status, AnswerMetadata metadata = {});

  // Head and metadata are the worker's, while the call is open.
  const ServerCall& call() const { return call_; }
  net::Worker& worker() const { return call_.worker(); }

 private:
  // nullopt: there are no more.
  virtual void on_read(std::optional<std::string_view> message) = 0;
  virtual void on_written(bool ok) = 0;
  virtual void on_gone() = 0;

  void read();
  void write(const std::string& message);
  void end(const ::grpc::Status& status, const AnswerMetadata& metadata);
  void lose_client();
  void tell_the_last();

  ServerCall call_;
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;
  std::shared_ptr<ServerStream> self_;
};

}  // namespace tandem::net::grpc
