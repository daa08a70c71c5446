// For tests: the internal port of an app "callee", and the way there for whoever calls it, both in this process.
//
//   TwoSidecars sidecars;
//   Answered answer = sidecars.call({.method = "GET", .target = "/hello"}, "");
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/internal/internal_door.h"
#include "api/grpc/internal/remote_apps.h"
#include "net/in_process.h"

namespace tandem::api::grpc {

// Answers with what it was sent, piece by piece; and otherwise as the path says.
class EchoApp final : public invoke::Endpoint, private net::Handler {
 public:
  net::Handler& handler(std::size_t) override { return *this; }

  // Of the last request; read after its answer has come.
  std::string method;
  std::string target;
  std::string authority;
  std::string caller;
  std::map<std::string, std::string> headers;
  std::optional<Error> body_error;
  bool without_body = false;  // of /whole: it came with none, and that was known at once
  std::unique_ptr<net::Exchange> kept;

 private:
  struct Echo : std::enable_shared_from_this<Echo> {
    explicit Echo(EchoApp& app, std::unique_ptr<net::Exchange> exchange) : app(app), exchange(std::move(exchange)) {}
    void go_on() {
      exchange->body().read([self = shared_from_this()](Result<std::string_view> piece) {
        if (!piece) {
          self->app.body_error = piece.error();
          self->exchange->abort();
          return;
        }
        if (piece->empty()) return self->exchange->finish();
        self->exchange->write(*piece, [self](Status written) {
          if (written) self->go_on();
        });
      });
    }
    EchoApp& app;
    std::unique_ptr<net::Exchange> exchange;
  };

  void handle(std::unique_ptr<net::Exchange> exchange) override {
    const net::RequestHead& head = exchange->head();
    method = head.method;
    target = head.target;
    authority = head.authority;
    caller = exchange->context().app_id;
    headers.clear();
    for (const net::Header& header : head.headers) headers[std::string(header.name)] += std::string(header.value) + ";";
    const std::array said = {net::Header{"Content-Type", "text/plain"}, net::Header{"X-Twice", "a"},
                             net::Header{"X-Twice", "b"}, net::Header{"Connection", "keep-alive"}};
    if (target == "/whole") {
      without_body = exchange->body().take_whole() == std::string_view();
      return exchange->respond(201, said, "whole");
    }
    if (target == "/nothing") return exchange->respond(204, said, "");
    if (target == "/dropped") return;
    if (target == "/refused") return exchange->refuse(make_error(Code::kUnavailable, "the app is asleep"));
    if (target == "/kept") {
      kept = std::move(exchange);
      return;
    }
    exchange->start(200, said);
    if (target == "/cut") return exchange->abort();
    std::make_shared<Echo>(*this, std::move(exchange))->go_on();
  }
};

// Knows the addresses that the test gives it; the one after the other as they are forgotten.
class FixedNames final : public invoke::NameResolver {
 public:
  std::vector<std::string> addresses;
  std::vector<std::string> forgotten;

  void resolve(std::string_view app_id, std::string_view name_space, TimedExecutor&,
               Completion<std::string> done) override {
    asked = std::string(app_id) + "/" + std::string(name_space);
    if (addresses.empty()) return done(fail(Code::kNotFound, "couldn't find service: " + std::string(app_id)));
    done(addresses.front());
  }
  void forget(std::string_view, std::string_view address) override {
    forgotten.emplace_back(address);
    if (addresses.size() > 1) addresses.erase(addresses.begin());
  }
  std::string asked;
};

struct Answered {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<Error> error;
};

class TwoSidecars final {
 public:
  std::atomic<bool> has_policies = false;  // of the caller for the callee

  explicit TwoSidecars(std::chrono::milliseconds retry_delay = std::chrono::milliseconds(1)) {
    (void)invoke.add("callee", app, "127.0.0.1:8080");
    door = listen();
    names.addresses = {address()};
    remote = std::make_unique<RemoteApps>(
        workers, names,
        RemoteOptions{.name_space = "default",
                      .host_address = "192.0.2.7",
                      .host_name = "here",
                      .retry_delay = retry_delay,
                      .has_policies = [this](std::string_view caller, std::string_view callee) {
                        return has_policies && caller == "caller" && callee == "callee";
                      }});
    workers.start();
  }
  ~TwoSidecars() {
    door.reset();
    workers.stop();
    remote.reset();
    app.kept.reset();
  }

  std::unique_ptr<InternalDoor> listen() {
    std::vector<Executor*> executors;
    for (std::size_t i = 0; i < workers.size(); ++i) executors.push_back(&workers[i]);
    return *InternalDoor::listen(workers, {.purpose = "a test"},
                                 {.app_id = "callee", .invoke = invoke, .workers = std::move(executors)});
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(door->port()); }

  // Waits for the end of the answer.
  Answered call(net::OwnedRequest request, net::RequestBody body) {
    begin(std::move(request), std::move(body));
    return wait();
  }
  void begin(net::OwnedRequest request, net::RequestBody body) {
    if (request.authority.empty()) request.authority = "callee";
    answer_ = {};
    ended_ = false;
    workers[1].post([this, request = std::move(request), body = std::move(body)]() mutable {
      CallContext context{.app_id = "caller", .trace = {.traceparent = "00-11-22-01"}};
      remote->handler(1).handle(net::make_in_process_exchange(std::move(request), std::move(body), std::move(context),
                                                              std::make_unique<Sink>(*this)));
    });
  }
  Answered wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [this] { return ended_; });
    return answer_;
  }
  // Until a piece of the body has come.
  void wait_for_body() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [this] { return !answer_.body.empty() || ended_; });
  }

  net::Workers workers{2};
  invoke::InvokeService invoke;
  EchoApp app;
  FixedNames names;
  std::unique_ptr<InternalDoor> door;
  std::unique_ptr<RemoteApps> remote;

 private:
  class Sink final : public net::ResponseSink {
   public:
    explicit Sink(TwoSidecars& home) : home_(home) {}
    void on_head(int status, net::Headers headers) override {
      const std::scoped_lock lock(home_.mutex_);
      home_.answer_.status = status;
      for (const net::Header& one : headers)
        home_.answer_.headers[std::string(one.name)] += std::string(one.value) + ";";
    }
    void on_body(std::string_view piece, Completion<void> resume) override {
      {
        const std::scoped_lock lock(home_.mutex_);
        home_.answer_.body += piece;
        home_.changed_.notify_all();
      }
      resume({});
    }
    void on_end(net::Headers) override { end(); }
    void on_error(Error error) override {
      {
        const std::scoped_lock lock(home_.mutex_);
        home_.answer_.error = std::move(error);
      }
      end();
    }

   private:
    void end() {
      const std::scoped_lock lock(home_.mutex_);
      home_.ended_ = true;
      home_.changed_.notify_all();
    }
    TwoSidecars& home_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  Answered answer_;
  bool ended_ = false;
};

}  // namespace tandem::api::grpc
