// One request of an HttpClient over HTTP/2 and its answer.
//
// Kept alive by its pool until it is over, and by its connection. The worker's thread only. Frames reach it inside the
// session's callbacks (on_field() to on_closed()); its sink and the source of its body are called in settle().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/call_phase.h"
#include "net/client_pool.h"
#include "net/held_sink.h"
#include "net/http2_library.h"
#include "net/http_client.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Host;
class Http2Link;

class Http2Call final : public PendingCall, public std::enable_shared_from_this<Http2Call>, private TimeoutEntry {
 public:
  Http2Call(std::shared_ptr<ClientPool> pool, ClientRequest request, std::unique_ptr<ResponseSink> sink);
  ~Http2Call() override;

  void start();
  void cancel() override;
  void stop() override;

  // For its host.
  const ClientRequest& request() const { return request_; }
  const AddressFilter& filter() const { return request_.address_filter; }
  void begin(std::shared_ptr<Http2Link> link);
  void fail_with(Code code, std::string message);

  // For its connection: frames that have come, what they have led to, and the body that goes.
  void on_field(std::string_view name, std::string_view value);
  void on_invalid() { invalid_ = true; }
  void on_head();
  void on_body(std::string_view bytes);
  void on_end() { ended_ = true; }
  void on_closed(std::uint32_t error_code);
  void on_link_gone(std::string_view why);
  void settle();
  ssize_t offer(std::size_t at_most, std::uint32_t& flags);
  void append_to(std::string& out, std::size_t bytes);

 private:
  bool add_head(Http2Fields& fields);
  void read_piece();
  void take_piece(Result<std::string_view> piece);
  void look();
  bool take_whole();
  void deliver();
  void complete();
  void broken_off();
  bool try_again();
  void finish();
  void arm(std::chrono::milliseconds limit);
  void on_timeout() override;

  const std::shared_ptr<ClientPool> pool_;
  ClientRequest request_;
  HeldSink sink_;
  CallPhase phase_ = CallPhase::kConnecting;
  bool settling_ = false;
  std::shared_ptr<Http2Host> host_;
  std::shared_ptr<Http2Link> link_;
  std::int32_t id_ = 0;
  bool link_was_used_ = false;
  int attempts_ = 0;

  // The body that goes: what is left of it, or of the piece that the source has given.
  std::string_view piece_;
  std::optional<std::uint64_t> length_left_;  // of a streamed body with a length
  bool source_asked_ = false;                 // the source has given something, or is about to
  bool wants_piece_ = false;
  bool reading_piece_ = false;
  bool source_done_ = false;
  bool deferred_ = false;

  // The answer.
  std::optional<Http2Received> fields_;
  Http2Received trailers_;
  int status_ = 0;
  int interim_answers_ = 0;
  std::string arrived_;
  std::size_t delivered_ = 0;  // bytes that the sink has not asked to go on after
  std::uint32_t error_code_ = 0;
  bool head_done_ = false;
  bool head_told_ = false;
  bool too_large_ = false;
  bool invalid_ = false;
  bool received_ = false;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace tandem::net
