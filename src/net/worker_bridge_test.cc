#include "net/worker_bridge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/in_process.h"
#include "net/testing/handlers.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

// What the caller on `from` saw. Any thread.
class Seen final {
 public:
  void add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    log_ += text;
    log_ += ';';
  }
  std::string log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  bool waits_for(std::string_view text) const {
    return wait_for([&] { return log() == text; });
  }

 private:
  mutable std::mutex mutex_;
  std::string log_;
};

class RecordingSink final : public ResponseSink {
 public:
  RecordingSink(Worker& worker, Seen& seen, Completion<void>& resume) : worker_(worker), seen_(seen), resume_(resume) {}
  ~RecordingSink() override { note("destroyed"); }

  void on_head(int status, Headers headers) override {
    std::string text = std::to_string(status);
    for (const Header& header : headers) text.append(" ").append(header.name).append("=").append(header.value);
    note(text);
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    note(piece);
    resume_ = std::move(resume);
  }
  void on_end(Headers trailers) override {
    std::string text = "end";
    for (const Header& header : trailers) text.append(" ").append(header.name).append("=").append(header.value);
    note(text);
  }
  void on_error(Error error) override { note("error " + std::string(code_name(error.code))); }

 private:
  void note(std::string_view text) {
    // After the workers have stopped, what is left is destroyed on the thread that destroys them.
    const bool right_place = worker_.running_here() || worker_.stopped();
    seen_.add(right_place ? std::string(text) : "wrong thread: " + std::string(text));
  }

  Worker& worker_;
  Seen& seen_;
  Completion<void>& resume_;
};

// A body whose pieces come when the test says so. `from` only.
class HeldBody final : public BodySource {
 public:
  struct Door {
    std::vector<Completion<std::string_view>> waiting;
    std::atomic<int> reads = 0;
    std::atomic<bool> right_thread = true;
  };
  HeldBody(Worker& worker, Door& door) : worker_(worker), door_(door) {}

  void read(Completion<std::string_view> done) override {
    if (!worker_.running_here()) door_.right_thread = false;
    door_.waiting.clear();
    door_.waiting.push_back(std::move(done));
    ++door_.reads;
  }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }

 private:
  Worker& worker_;
  Door& door_;
};

// Two workers, a bridge from the one to the other, and a target that keeps what it is given. What the tests change on a
// worker they change in a task there.
class Rig final {
 public:
  explicit Rig(std::size_t from = 0, std::size_t to = 1)
      : target_([this](std::unique_ptr<Exchange> exchange) {
          handled_here = workers[to_].running_here();
          held = std::move(exchange);
          ++handled;
        }),
        from_(from),
        to_(to),
        bridge_(make_worker_bridge(workers[from], workers[to], target_)) {
    workers.start();
  }
  ~Rig() { workers.stop(); }

  void send(RequestBody body, std::string method = "POST") {
    on_from([this, body = std::move(body), method = std::move(method)]() mutable {
      OwnedRequest request{
          method, "http", "localhost:3500", "/orders?x=1", {{"Content-Type", "text/plain"}, {"A", ""}}};
      CallContext context;
      context.app_id = "orders";
      context.trace.traceparent = "00-1-2-01";
      bridge_->handle(make_in_process_exchange(std::move(request), std::move(body), std::move(context),
                                               std::make_unique<RecordingSink>(workers[from_], seen, resume)));
    });
  }
  void arrives() {
    ASSERT_TRUE(wait_for([this] { return handled > 0; }));
  }

  void on_from(Task task) { run(workers[from_], std::move(task)); }
  void on_to(Task task) { run(workers[to_], std::move(task)); }
  // When what was sent before has had its answer from the other side.
  void settle() {
    for (int i = 0; i < 2; ++i) {
      on_to([] {});
      on_from([] {});
      on_to([] {});
    }
  }

  Seen seen;
  std::atomic<int> handled = 0;
  std::atomic<bool> handled_here = false;
  // `from` only, and outlives its exchanges.
  Completion<void> resume;
  HeldBody::Door door;
  Workers workers{2};
  std::unique_ptr<Exchange> held;  // `to` only

 private:
  static void run(Worker& worker, Task task) {
    std::atomic<bool> done = false;
    worker.post([&] {
      task();
      done = true;
    });
    ASSERT_TRUE(wait_for([&] { return done.load(); }));
  }

  FunctionHandler target_;
  const std::size_t from_;
  const std::size_t to_;
  const std::unique_ptr<Handler> bridge_;
};

TEST(WorkerBridge, CarriesAWholeRequestAndItsAnswer) {
  Rig rig;
  rig.send("the body");
  rig.arrives();
  EXPECT_TRUE(rig.handled_here);
  rig.on_to([&] {
    const RequestHead& head = rig.held->head();
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.scheme, "http");
    EXPECT_EQ(head.authority, "localhost:3500");
    EXPECT_EQ(head.target, "/orders?x=1");
    ASSERT_EQ(head.headers.size(), 2u);
    EXPECT_EQ(find_header(head.headers, "content-type"), "text/plain");
    EXPECT_EQ(find_header(head.headers, "a"), "");
    EXPECT_EQ(rig.held->context().app_id, "orders");
    EXPECT_EQ(rig.held->context().trace.traceparent, "00-1-2-01");
    EXPECT_FALSE(rig.held->gone());
    EXPECT_EQ(rig.held->body().take_whole(), "the body");
    std::optional<std::string> rest;
    rig.held->body().read([&](Result<std::string_view> piece) { rest.emplace(*piece); });
    EXPECT_EQ(rest, "");
    std::string name = "ETag";
    std::string body = "answer";
    const Header header{name, "1"};
    rig.held->respond(201, {&header, 1}, body);
    name = body = "changed";
    rig.held->respond(500, {}, "twice");
  });
  EXPECT_TRUE(rig.seen.waits_for("201 ETag=1;answer;end;destroyed;"));
  rig.on_to([&] {
    EXPECT_EQ(rig.held->head().target, "/orders?x=1");
    rig.held.reset();
  });
}

TEST(WorkerBridge, PullsTheRequestBodyPieceByPiece) {
  Rig rig;
  rig.send(std::make_unique<HeldBody>(rig.workers[0], rig.door));
  rig.arrives();
  std::vector<std::string> pieces;
  const auto read = [&] {
    rig.held->body().read([&](Result<std::string_view> piece) {
      EXPECT_TRUE(rig.workers[1].running_here());
      pieces.push_back(piece ? std::string(*piece) : std::string(code_name(piece.error().code)));
    });
  };
  rig.on_to([&] {
    EXPECT_FALSE(rig.held->body().take_whole().has_value());
    read();
    read();  // one at a time
    EXPECT_EQ(pieces, std::vector<std::string>{"FAILED_PRECONDITION"});
  });
  rig.settle();
  EXPECT_EQ(rig.door.reads, 1);
  rig.on_from([&] {
    std::string piece = "one";
    rig.door.waiting[0](std::string_view(piece));
    piece = "xxx";
  });
  rig.settle();
  EXPECT_EQ(pieces.back(), "one");
  EXPECT_EQ(rig.door.reads, 1);  // none ahead of the reader

  rig.on_to(read);
  rig.settle();
  rig.on_from([&] { rig.door.waiting[0](std::string_view()); });
  rig.settle();
  EXPECT_EQ(pieces.back(), "");

  rig.on_to(read);
  rig.settle();
  rig.on_from([&] { rig.door.waiting[0](fail(Code::kDeadlineExceeded, "slow")); });
  rig.settle();
  EXPECT_EQ(pieces.back(), "DEADLINE_EXCEEDED");

  // A source that forgets its reader.
  rig.on_to(read);
  rig.settle();
  rig.on_from([&] { rig.door.waiting.clear(); });
  rig.settle();
  EXPECT_EQ(pieces.back(), "CANCELLED");
  EXPECT_EQ(pieces.size(), 5u);
  EXPECT_EQ(rig.door.reads, 4);
  EXPECT_TRUE(rig.door.right_thread);
}

TEST(WorkerBridge, CarriesBackPressureOfTheAnswer) {
  Rig rig;
  rig.send("");
  rig.arrives();
  std::vector<std::string> written;
  const auto write = [&](std::string_view piece) {
    rig.held->write(std::string(piece), [&](Status status) {
      EXPECT_TRUE(rig.workers[1].running_here());
      written.emplace_back(code_name(status ? Code::kOk : status.error().code));
    });
  };
  rig.on_to([&] {
    const Header header{"A", "b"};
    rig.held->start(200, {&header, 1});
    write("one");
    write("too early");
  });
  rig.settle();
  EXPECT_EQ(rig.seen.log(), "200 A=b;one;");
  EXPECT_EQ(written, std::vector<std::string>{"FAILED_PRECONDITION"});
  rig.on_from([&] { rig.resume({}); });
  rig.settle();
  EXPECT_EQ(written.size(), 2u);
  EXPECT_EQ(written.back(), "OK");
  rig.on_to([&] {
    write("two");
    const Header trailer{"Sum", "6"};
    rig.held->finish({&trailer, 1});
    rig.held.reset();  // the write is still under way
  });
  EXPECT_TRUE(rig.seen.waits_for("200 A=b;one;two;end Sum=6;destroyed;"));
  EXPECT_EQ(written.size(), 2u);
  rig.on_from([&] { rig.resume({}); });
  rig.settle();
  EXPECT_EQ(written.size(), 3u);
  EXPECT_EQ(written.back(), "OK");
}

TEST(WorkerBridge, TakesTheExchangeAlongWhenItIsDestroyed) {
  Rig unanswered;
  unanswered.send("x");
  unanswered.arrives();
  unanswered.on_to([&] { unanswered.held.reset(); });
  EXPECT_TRUE(unanswered.seen.waits_for("500;end;destroyed;"));

  Rig cut;
  cut.send("x");
  cut.arrives();
  cut.on_to([&] {
    cut.held->start(200, {});
    cut.held.reset();
  });
  EXPECT_TRUE(cut.seen.waits_for("200;error UNAVAILABLE;destroyed;"));

  Rig aborted;
  aborted.send("x");
  aborted.arrives();
  aborted.on_to([&] { aborted.held->abort(); });
  EXPECT_TRUE(aborted.seen.waits_for("error UNAVAILABLE;destroyed;"));
  // An aborted exchange says that it is gone; the proxy asks for that.
  EXPECT_TRUE(wait_for([&] {
    bool gone = false;
    aborted.on_to([&] { gone = aborted.held->gone(); });
    return gone;
  }));

  Rig reading;
  reading.send(std::make_unique<HeldBody>(reading.workers[0], reading.door));
  reading.arrives();
  auto reader = std::make_shared<int>(0);
  reading.on_to([&] {
    reading.held->body().read([reader](Result<std::string_view>) { ++*reader; });
    reading.held.reset();
  });
  EXPECT_TRUE(reading.seen.waits_for("500;end;destroyed;"));
  reading.on_from([&] { reading.door.waiting.clear(); });
  reading.settle();
  EXPECT_EQ(*reader, 0);
  EXPECT_EQ(reader.use_count(), 1);
}

TEST(WorkerBridge, TellsThatTheCallerHasGone) {
  Rig rig;
  rig.send("");
  rig.arrives();
  std::vector<Code> codes;
  const auto write = [&] {
    rig.held->write("part", [&](Status status) { codes.push_back(status ? Code::kOk : status.error().code); });
  };
  rig.on_to([&] {
    rig.held->start(200, {});
    write();
  });
  rig.settle();
  rig.on_from([&] { rig.resume(fail(Code::kCancelled, "enough")); });
  rig.settle();
  rig.on_to([&] {
    EXPECT_EQ(codes, std::vector<Code>{Code::kCancelled});
    EXPECT_TRUE(rig.held->gone());
    write();
    EXPECT_EQ(codes.size(), 2u);
    EXPECT_EQ(codes.back(), Code::kCancelled);
    rig.held->finish();
    rig.held.reset();
  });
  EXPECT_TRUE(rig.seen.waits_for("200;part;end;destroyed;"));
}

TEST(WorkerBridge, PassesExchangesOfTheSameWorkerAsTheyAre) {
  Rig rig(1, 1);
  rig.send(std::make_unique<HeldBody>(rig.workers[1], rig.door));
  EXPECT_EQ(rig.handled, 1);  // in place
  std::string piece;
  rig.on_to([&] {
    EXPECT_EQ(rig.held->context().app_id, "orders");
    rig.held->body().read([&](Result<std::string_view> read) { piece = *read; });
    rig.door.waiting[0]("piece");
    EXPECT_EQ(piece, "piece");
    rig.held->respond(200, {}, "here");
    EXPECT_EQ(rig.seen.log(), "200;here;end;destroyed;");
    rig.held.reset();
  });
}

// A reader and a writer that keep their own exchange alive, as a handler's state does.
struct Busy {
  std::unique_ptr<Exchange> exchange;
  std::shared_ptr<int> witness;
};

void stop_in_flight(std::size_t from, std::size_t to) {
  const auto witness = std::make_shared<int>(0);
  Seen seen;
  Completion<void> resume;
  HeldBody::Door door;
  std::unique_ptr<Exchange> kept;
  {
    std::atomic<int> handled = 0;
    FunctionHandler target([&](std::unique_ptr<Exchange> exchange) {
      switch (handled++) {
        case 0:  // waits for a piece of the body
        {
          const auto busy = std::make_shared<Busy>(std::move(exchange), witness);
          busy->exchange->body().read([busy](Result<std::string_view>) {});
          break;
        }
        case 1:  // waits for the caller
        {
          const auto busy = std::make_shared<Busy>(std::move(exchange), witness);
          busy->exchange->start(200, {});
          busy->exchange->write("part", [busy](Status) {});
          break;
        }
        default:  // waits for nothing
          kept = std::move(exchange);
      }
    });
    Workers workers(2);
    const auto bridge = make_worker_bridge(workers[from], workers[to], target);
    const auto send = [&](RequestBody body) {
      OwnedRequest request;
      request.target = "/kept";
      bridge->handle(make_in_process_exchange(std::move(request), std::move(body), {},
                                              std::make_unique<RecordingSink>(workers[from], seen, resume)));
    };
    workers.start();
    workers[from].post([&] {
      send(std::make_unique<HeldBody>(workers[from], door));
      send("");
      send("");
    });
    ASSERT_TRUE(wait_for([&] { return handled == 3 && door.reads == 1 && seen.log() == "200;part;"; }));

    // One more is posted behind a task that ends only when the workers are being stopped.
    std::atomic<bool> blocked = false;
    std::atomic<bool> sent = false;
    workers[to].post([&] {
      blocked = true;
      while (!workers[to].stopped()) std::this_thread::yield();
    });
    ASSERT_TRUE(wait_for([&] { return blocked.load(); }));
    workers[from].post([&] {
      send("never arrives");
      sent = true;
    });
    ASSERT_TRUE(wait_for([&] { return sent.load(); }));
    workers.stop();
    EXPECT_EQ(handled, 3);
    EXPECT_GT(witness.use_count(), 1);
    kept->respond(200, {}, "too late");
  }
  EXPECT_EQ(witness.use_count(), 1);
  resume = nullptr;
  door.waiting.clear();
  const std::string log = seen.log();
  std::size_t destroyed = 0;
  for (std::size_t at = log.find("destroyed"); at != std::string::npos; at = log.find("destroyed", at + 1)) ++destroyed;
  EXPECT_EQ(destroyed, 4u) << log;
  EXPECT_EQ(log.find("wrong"), std::string::npos) << log;
  EXPECT_EQ(log.find("too late"), std::string::npos) << log;
  // The proxy outlives even the workers.
  EXPECT_EQ(kept->head().target, "/kept");
  kept->respond(200, {}, "later still");
  kept->write("nothing", [](Status) { ADD_FAILURE() << "there is nobody to write to"; });
  EXPECT_FALSE(kept->gone());
  kept.reset();
}

TEST(WorkerBridge, StopsWithExchangesInFlight) {
  stop_in_flight(0, 1);
  stop_in_flight(1, 0);
}

// A server on two workers whose every request is answered on the second.
class BridgedServer final {
 public:
  explicit BridgedServer(std::function<void(std::unique_ptr<Exchange>)> handler) : handler_(std::move(handler)) {
    auto server = HttpServer::listen(workers_, {}, [this](Worker& worker) -> Handler& {
      bridges_.push_back(make_worker_bridge(worker, workers_[1], handler_));
      return *bridges_.back();
    });
    if (server) server_ = std::move(*server);
    workers_.start();
  }
  ~BridgedServer() {
    server_.reset();
    workers_.stop();
  }
  std::uint16_t port() const { return server_->port(); }

 private:
  FunctionHandler handler_;
  std::vector<std::unique_ptr<Handler>> bridges_;
  Workers workers_{2};
  std::unique_ptr<HttpServer> server_;
};

TEST(WorkerBridge, StreamsOverSocketsOfAllWorkers) {
  BridgedServer server(echo);
  std::string body;
  while (body.size() < 300'000) body += std::to_string(body.size()) + " ";
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n");
    // All clients are open at once, so they are on both workers.
  }
  for (const auto& client : clients) {
    client->send(body.substr(0, 1000));
    EXPECT_TRUE(client->read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    std::string echoed;
    const auto read_chunk = [&] {
      const std::string line = client->read_until("\r\n");
      const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
      echoed += client->read_exactly(size + 2).substr(0, size);
      return size > 0;
    };
    while (echoed.size() < 1000 && read_chunk()) {
    }
    EXPECT_EQ(echoed.size(), 1000u);  // while the rest of the request has not been sent
    std::thread sender([&] { client->send(std::string_view(body).substr(1000)); });
    while (read_chunk()) {
    }
    sender.join();
    EXPECT_TRUE(echoed == body);
    EXPECT_TRUE(client->at_end());
  }
}

TEST(WorkerBridge, EndsWhenTheClientResetsItsConnection) {
  std::atomic<int> started = 0;
  std::atomic<int> failed = 0;
  std::function<void(std::shared_ptr<Exchange>)> flood = [&](std::shared_ptr<Exchange> exchange) {
    Exchange& to = *exchange;
    to.write(std::string(64 * 1024, 'x'), [&, exchange = std::move(exchange)](Status status) {
      if (status) return flood(exchange);
      EXPECT_EQ(status.error().code, Code::kCancelled);
      EXPECT_TRUE(exchange->gone());
      ++failed;
    });
  };
  BridgedServer server([&](std::unique_ptr<Exchange> exchange) {
    ++started;
    exchange->start(200, {});
    flood(std::move(exchange));
  });
  RawClient first(server.port());
  RawClient second(server.port());
  for (RawClient* client : {&first, &second}) {
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client->read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  EXPECT_EQ(started, 2);
  first.reset();
  second.reset();
  EXPECT_TRUE(wait_for([&] { return failed == 2; }));
}

}  // namespace
}  // namespace tandem::net
