// One request of an HttpClient and its answer, from the name lookup to the last byte.
//
// Kept alive by its pool until it is over, and by its pending operations. The worker's thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/call_phase.h"
#include "net/client_connector.h"
#include "net/client_pool.h"
#include "net/held_sink.h"
#include "net/http_client.h"
#include "net/http_parser.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class ClientCall final : public PendingCall, public std::enable_shared_from_this<ClientCall>, private TimeoutEntry {
 public:
  ClientCall(std::shared_ptr<ClientPool> pool, ClientRequest request, std::unique_ptr<ResponseSink> sink);
  ~ClientCall() override;

  void start();
  void cancel() override;
  void stop() override;

 private:
  // The request.
  void connect();
  void build_head();
  void send_request();
  void send_body();
  void write_piece(std::string_view piece);
  void sent();
  void write_failed(const boost::system::error_code& error);

  // The answer.
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void process();
  bool parse_head();
  bool take_whole();
  void deliver(std::string_view piece);
  void complete();
  bool try_again();
  void make_room();

  void broken(std::string_view what);
  void fail_with(Code code, std::string message);
  void finish();
  void arm(std::chrono::milliseconds limit);
  void on_timeout() override;
  std::string peer() const;

  const std::shared_ptr<ClientPool> pool_;
  ClientRequest request_;
  HeldSink sink_;
  const std::string key_;
  CallPhase phase_ = CallPhase::kConnecting;

  std::shared_ptr<ClientConnector> connector_;  // while it connects
  std::unique_ptr<ClientTransport> transport_;
  bool reused_ = false;
  bool retried_ = false;
  int attempt_ = 0;  // completions of an earlier connection are ignored

  std::string head_;
  std::string mended_head_;  // an answer's head, where it had to be changed before it could be parsed
  std::string chunk_head_;
  std::string suffix_;  // the end of a chunk, and the trailers after the last one
  std::string_view piece_;
  bool chunked_ = false;
  std::optional<std::uint64_t> length_left_;  // of a streamed body with a length
  bool request_sent_ = false;

  std::unique_ptr<char[]> buffer_;  // of `room_` bytes, which are not filled before they are read into
  std::size_t room_ = 0;
  std::size_t begin_ = 0;  // not parsed yet: [begin_, tail_)
  std::size_t tail_ = 0;
  std::size_t scanned_ = 0;
  std::vector<Header> headers_;
  std::optional<HttpParser<false>> parser_;
  std::uint64_t received_ = 0;
  int interim_answers_ = 0;
  bool head_done_ = false;
  bool reading_ = false;
  bool processing_ = false;
  bool input_ended_ = false;
};

}  // namespace tandem::net
