// One HTTP/2 connection of a client, plain or TLS, and the calls on it.
//
// Shared by its host and its pending operations. The worker's thread only. What frames lead to is done in settle(),
// outside nghttp2's callbacks. When the connection breaks, every call on it is told; a GOAWAY closes it after its
// calls, and those that the peer has not begun are told that they may be sent again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/client_transport.h"
#include "net/http2_library.h"
#include "net/http_client.h"
#include "net/timeout_wheel.h"

namespace tandem::net {

class Http2Call;
class Http2Host;

class Http2Link final : public std::enable_shared_from_this<Http2Link>, private TimeoutEntry {
 public:
  Http2Link(std::shared_ptr<Http2Host> host, std::unique_ptr<ClientTransport> transport);
  ~Http2Link();

  void start();
  bool takes(const AddressFilter& filter);
  bool idle() const { return calls_.empty() && !closed_; }
  // An answer has come over it before.
  bool used() const { return used_; }
  // Takes no call any more, and is closed after those that it has.
  void retire();
  void close(std::string_view why);

  enum class Body { kNone, kCarried };
  // The id of the call's stream; 0 when there can be none.
  std::int32_t open(std::shared_ptr<Http2Call> call, Http2Fields& fields, Body body);
  // The call wants no more; its stream is reset unless it is over.
  void forget(std::int32_t id);
  void resume(std::int32_t id);
  // Lets the peer send so much more.
  void open_window(std::int32_t id, std::size_t bytes);
  // Has settle() of the call run soon.
  void note(std::shared_ptr<Http2Call> call) { changed_.push_back(std::move(call)); }
  bool holds_back(std::int32_t id);
  nghttp2_session* session() { return session_.get(); }

 private:
  friend struct Http2LinkEvents;  // the session's callbacks

  void open_session();
  std::shared_ptr<Http2Call> call(std::int32_t id) const;
  void read();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void settle();
  void flush();
  void flush_soon();
  void fill();
  void watch();
  void on_timeout() override;

  const std::shared_ptr<Http2Host> host_;
  const std::unique_ptr<ClientTransport> transport_;
  Http2Session session_;
  std::unordered_map<std::int32_t, std::shared_ptr<Http2Call>> calls_;
  std::vector<std::shared_ptr<Http2Call>> changed_;
  std::vector<std::int32_t> held_back_;
  std::unique_ptr<char[]> input_;
  std::string out_;
  bool writing_ = false;
  bool flushing_ = false;
  bool flush_posted_ = false;
  bool receiving_ = false;
  bool settings_seen_ = false;
  bool used_ = false;
  bool retired_ = false;
  bool room_ = false;  // a stream is over, or the peer takes more of them
  bool idle_timer_ = false;
  bool closed_ = false;
};

}  // namespace tandem::net
