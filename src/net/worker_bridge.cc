#include "net/worker_bridge.h"

#include <atomic>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/in_process.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

class Crossing;

// Where the bridges of one worker land: the way to post there, and owner of what only that worker's thread may destroy.
// Stays as a closed door when the loop is gone, because loops are destroyed one after the other.
class Shore final {
 public:
  explicit Shore(asio::io_context& io) : io_(io) {}

  // Any thread, as long as threads run.
  template <class Operation>
  void post(Operation operation) {
    if (open_.load(std::memory_order_acquire)) asio::post(io_, std::move(operation));
  }
  // With the loop, when no thread runs any more.
  void close();

  // This worker's thread only.
  std::unordered_set<std::shared_ptr<Crossing>> leaving;   // their exchanges live here
  std::unordered_set<std::shared_ptr<Crossing>> arriving;  // their proxies or completions live here

 private:
  asio::io_context& io_;
  std::atomic<bool> open_ = true;
};

// Ties a Shore to its loop.
class ShoreService final : public asio::execution_context::service {
 public:
  inline static asio::execution_context::id id;

  explicit ShoreService(asio::io_context& io)
      : asio::execution_context::service(io), shore_(std::make_shared<Shore>(io)) {}

  static std::shared_ptr<Shore> shore_of(Worker& worker) { return asio::use_service<ShoreService>(worker.io()).shore_; }

 private:
  void shutdown() override { shore_->close(); }

  const std::shared_ptr<Shore> shore_;
};

// Copied text in one piece. Its views stay good when it is moved.
class Text final {
 public:
  explicit Text(std::size_t bytes) : bytes_(std::make_unique_for_overwrite<char[]>(bytes)), end_(bytes_.get()) {}

  std::string_view add(std::string_view text) {
    char* const start = end_;
    if (!text.empty()) std::memcpy(start, text.data(), text.size());
    end_ += text.size();
    return {start, text.size()};
  }
  void add(Headers headers, std::vector<Header>& copies) {
    copies.reserve(headers.size());
    for (const Header& header : headers) {
      const std::string_view name = add(header.name);
      copies.push_back({name, add(header.value)});
    }
  }

  static std::size_t size_of(Headers headers) {
    std::size_t bytes = 0;
    for (const Header& header : headers) bytes += header.name.size() + header.value.size();
    return bytes;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  char* end_;
};

class CopiedHeaders final {
 public:
  explicit CopiedHeaders(Headers headers) : text_(Text::size_of(headers)) { text_.add(headers, headers_); }

  Headers view() const { return headers_; }

 private:
  Text text_;
  std::vector<Header> headers_;
};

class CopiedHead final {
 public:
  explicit CopiedHead(const RequestHead& head)
      : text_(head.method.size() + head.scheme.size() + head.authority.size() + head.target.size() +
              Text::size_of(head.headers)) {
    text_.add(head.headers, headers_);
    head_ = RequestHead{text_.add(head.method), text_.add(head.scheme), text_.add(head.authority),
                        text_.add(head.target), headers_};
  }
  CopiedHead(const CopiedHead&) = delete;
  CopiedHead& operator=(const CopiedHead&) = delete;

  const RequestHead& view() const { return head_; }

 private:
  Text text_;
  std::vector<Header> headers_;
  RequestHead head_;
};

// One exchange on its way across: its end on `from` (the exchange) and its end on `to` (the proxy's completions). Each
// end is touched on its own worker only and kept alive by that worker's Shore, so whoever lets go last destroys nothing
// that belongs to a thread.
class Crossing final : public std::enable_shared_from_this<Crossing> {
 public:
  Crossing(std::shared_ptr<Shore> from, std::shared_ptr<Shore> to, std::unique_ptr<Exchange> exchange)
      : head(exchange->head()),
        context(exchange->context()),
        from_(std::move(from)),
        to_(std::move(to)),
        exchange_(std::move(exchange)) {
    if (const auto bytes = exchange_->body().take_whole()) {
      whole_body.emplace(*bytes);
      trailers.emplace(exchange_->body().trailers());
    }
    look();
  }

  const CopiedHead head;
  CallContext context;                    // the proxy's
  std::optional<std::string> whole_body;  // what has not been read of it
  std::optional<CopiedHeaders> trailers;  // when the body's end has come

  // On `from`.

  void depart(Handler& target);
  void close_from() {
    const std::shared_ptr<Crossing> self = shared_from_this();
    const std::unique_ptr<Exchange> exchange = std::move(exchange_);
    from_->leaving.erase(self);
  }

  // On `to`.

  void arrive() { to_->arriving.insert(shared_from_this()); }

  // Runs `operation` with the exchange, on its worker, after all that was sent before.
  template <class Operation>
  void send(Operation operation) {
    from_->post([self = shared_from_this(), operation = std::move(operation)]() mutable {
      if (!self->exchange_) return;
      operation(*self->exchange_);
      self->look();
    });
  }

  void read(Completion<std::string_view> done);
  void write(std::string_view piece, Completion<void> done);

  bool gone() {
    if (!gone_.load(std::memory_order_acquire) && !asked_.exchange(true)) {
      send([this](Exchange&) { asked_.store(false); });
    }
    return gone_.load(std::memory_order_acquire);
  }

  void proxy_destroyed() {
    const auto dropped = std::exchange(read_done_, nullptr);
    proxy_alive_ = false;
    if (!write_done_) to_->arriving.erase(shared_from_this());
    from_->post([self = shared_from_this()] { self->close_from(); });
  }

  void close_to() {
    const std::shared_ptr<Crossing> self = shared_from_this();
    const auto read_dropped = std::exchange(read_done_, nullptr);
    const auto write_dropped = std::exchange(write_done_, nullptr);
  }

 private:
  // Brings a result across, once. Destroyed uncalled it says that there will be none.
  template <class T, void (Crossing::*kBringBack)(Result<T>)>
  class Messenger final {
   public:
    explicit Messenger(std::shared_ptr<Crossing> crossing) : crossing_(std::move(crossing)) {}
    Messenger(Messenger&&) noexcept = default;
    Messenger& operator=(Messenger&&) = delete;
    ~Messenger() {
      if (crossing_) (*this)(fail(Code::kCancelled, "the exchange is gone"));
    }
    void operator()(Result<T> result) { (*std::exchange(crossing_, nullptr).*kBringBack)(std::move(result)); }

   private:
    std::shared_ptr<Crossing> crossing_;
  };

  // On `from`.
  void look() {
    if (exchange_ && exchange_->gone()) gone_.store(true, std::memory_order_release);
  }
  void bring_piece(Result<std::string_view> piece);
  void bring_written(Status status);

  // On `to`.
  void take_piece(Result<std::string> piece, std::optional<CopiedHeaders> after);
  void take_written(Status status);

  const std::shared_ptr<Shore> from_;
  const std::shared_ptr<Shore> to_;
  std::atomic<bool> gone_ = false;
  std::atomic<bool> asked_ = false;

  // On `from`.
  std::unique_ptr<Exchange> exchange_;

  // On `to`.
  bool proxy_alive_ = true;
  Completion<std::string_view> read_done_;
  Completion<void> write_done_;
  std::string piece_;  // the one that was read last
};

void Shore::close() {
  open_.store(false, std::memory_order_release);
  for (const auto& crossing : std::exchange(arriving, {})) crossing->close_to();
  for (const auto& crossing : std::exchange(leaving, {})) crossing->close_from();
}

void Crossing::read(Completion<std::string_view> done) {
  if (read_done_) return done(fail(Code::kFailedPrecondition, "a read of the request body is already under way"));
  read_done_ = std::move(done);
  from_->post([self = shared_from_this()] {
    Messenger<std::string_view, &Crossing::bring_piece> messenger(self);
    if (self->exchange_) self->exchange_->body().read(std::move(messenger));
  });
}

void Crossing::bring_piece(Result<std::string_view> piece) {
  look();
  Result<std::string> copy;
  if (piece) {
    copy->assign(*piece);
  } else {
    copy = std::unexpected(std::move(piece.error()));
  }
  std::optional<CopiedHeaders> after;
  if (piece && piece->empty() && exchange_) after.emplace(exchange_->body().trailers());
  to_->post([self = shared_from_this(), copy = std::move(copy), after = std::move(after)]() mutable {
    self->take_piece(std::move(copy), std::move(after));
  });
}

void Crossing::take_piece(Result<std::string> piece, std::optional<CopiedHeaders> after) {
  if (after) trailers = std::move(after);
  auto done = std::exchange(read_done_, nullptr);
  if (!done) return;
  if (!piece) return done(std::unexpected(std::move(piece.error())));
  piece_ = std::move(*piece);
  done(std::string_view(piece_));
}

void Crossing::write(std::string_view piece, Completion<void> done) {
  if (gone_.load(std::memory_order_acquire)) return done(fail(Code::kCancelled, "the caller has gone"));
  if (write_done_) return done(fail(Code::kFailedPrecondition, "a write of the answer is already under way"));
  write_done_ = std::move(done);
  from_->post([self = shared_from_this(), copy = std::string(piece)] {
    Messenger<void, &Crossing::bring_written> messenger(self);
    if (self->exchange_) self->exchange_->write(copy, std::move(messenger));
  });
}

void Crossing::bring_written(Status status) {
  if (!status && status.error().code == Code::kCancelled) gone_.store(true, std::memory_order_release);
  look();
  to_->post(
      [self = shared_from_this(), status = std::move(status)]() mutable { self->take_written(std::move(status)); });
}

void Crossing::take_written(Status status) {
  auto done = std::exchange(write_done_, nullptr);
  if (!proxy_alive_) to_->arriving.erase(shared_from_this());
  if (done) done(std::move(status));
}

// The exchange as `to` sees it.
class Proxy final : public Exchange, public BodySource {
 public:
  explicit Proxy(std::shared_ptr<Crossing> crossing) : crossing_(std::move(crossing)) { crossing_->arrive(); }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy() override { crossing_->proxy_destroyed(); }

  const RequestHead& head() const override { return crossing_->head.view(); }
  BodySource& body() override { return *this; }
  CallContext& context() override { return crossing_->context; }
  bool gone() const override { return crossing_->gone(); }

  void respond(int status, Headers headers, std::string_view body) override {
    crossing_->send([status, headers = CopiedHeaders(headers), body = std::string(body)](Exchange& exchange) {
      exchange.respond(status, headers.view(), body);
    });
  }
  void start(int status, Headers headers) override {
    crossing_->send(
        [status, headers = CopiedHeaders(headers)](Exchange& exchange) { exchange.start(status, headers.view()); });
  }
  void write(std::string_view piece, Completion<void> done) override { crossing_->write(piece, std::move(done)); }
  void finish(Headers trailers) override {
    crossing_->send([trailers = CopiedHeaders(trailers)](Exchange& exchange) { exchange.finish(trailers.view()); });
  }
  void abort() override {
    crossing_->send([](Exchange& exchange) { exchange.abort(); });
  }
  void refuse(const Error& error) override {
    crossing_->send([error](Exchange& exchange) { exchange.refuse(error); });
  }

  void read(Completion<std::string_view> done) override {
    if (const auto whole = take_whole()) return done(*whole);
    crossing_->read(std::move(done));
  }
  std::optional<std::string_view> take_whole() override {
    if (!crossing_->whole_body) return std::nullopt;
    return std::exchange(taken_, true) ? std::string_view() : std::string_view(*crossing_->whole_body);
  }
  Headers trailers() const override { return crossing_->trailers ? crossing_->trailers->view() : Headers(); }

 private:
  const std::shared_ptr<Crossing> crossing_;
  bool taken_ = false;  // of a body that came whole
};

void Crossing::depart(Handler& target) {
  from_->leaving.insert(shared_from_this());
  to_->post([self = shared_from_this(), &target] { target.handle(std::make_unique<Proxy>(self)); });
}

class WorkerBridge final : public Handler {
 public:
  WorkerBridge(std::shared_ptr<Shore> from, std::shared_ptr<Shore> to, Handler& target)
      : from_(std::move(from)), to_(std::move(to)), target_(target) {}

  void handle(std::unique_ptr<Exchange> exchange) override {
    if (from_ == to_) return target_.handle(std::move(exchange));
    std::make_shared<Crossing>(from_, to_, std::move(exchange))->depart(target_);
  }

 private:
  const std::shared_ptr<Shore> from_;
  const std::shared_ptr<Shore> to_;
  Handler& target_;
};

}  // namespace

std::unique_ptr<Handler> make_worker_bridge(Worker& from, Worker& to, Handler& target) {
  return std::make_unique<WorkerBridge>(ShoreService::shore_of(from), ShoreService::shore_of(to), target);
}

}  // namespace tandem::net
