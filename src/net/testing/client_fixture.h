// For tests of the HTTP client: one on a worker of its own, and the ways to call it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "net/http_client.h"
#include "net/testing/collecting_sink.h"

namespace tandem::net {

class ClientFixture : public testing::Test {
 protected:
  ClientFixture() {
    workers_.start();
    make_client({});
  }
  ~ClientFixture() override {
    run([&] { client_.reset(); });
    workers_.stop();
  }

  void make_client(ClientOptions options) {
    run([&] { client_ = std::make_unique<HttpClient>(workers_[0], std::move(options)); });
  }

  // Runs on the worker and waits.
  template <class Function>
  void run(Function function) {
    std::promise<void> done;
    workers_[0].post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::future<Outcome> start(ClientRequest request) {
    std::promise<Outcome> promise;
    std::future<Outcome> outcome = promise.get_future();
    workers_[0].post([this, request = std::move(request), promise = std::move(promise)]() mutable {
      handle_ = client_->send(std::move(request), std::make_unique<CollectingSink>(std::move(promise)));
    });
    return outcome;
  }
  // Ten seconds at most.
  static Outcome wait(std::future<Outcome> outcome) {
    if (outcome.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
      return Outcome{.error = make_error(Code::kUnknown, "the test waited too long")};
    }
    return outcome.get();
  }
  Outcome send(ClientRequest request) { return wait(start(std::move(request))); }

  static ClientRequest request_to(ClientProtocol protocol, std::uint16_t port, std::string target) {
    ClientRequest request;
    request.protocol = protocol;
    request.host = "127.0.0.1";
    request.port = port;
    request.target = std::move(target);
    return request;
  }
  std::size_t idle() {
    std::size_t count = 0;
    run([&] { count = client_->idle_connections(); });
    return count;
  }

  Workers workers_{1};
  std::unique_ptr<HttpClient> client_;
  ClientHandle handle_;
};

}  // namespace tandem::net
