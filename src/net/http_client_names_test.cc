// The HTTP client while the name service hangs.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "net/resolver.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

// The status of an answer, or how the call failed.
class StatusSink final : public ResponseSink {
 public:
  explicit StatusSink(std::promise<Result<int>> promise) : promise_(std::move(promise)) {}
  void on_head(int status, Headers) override { status_ = status; }
  void on_body(std::string_view, Completion<void> resume) override { resume({}); }
  void on_end(Headers) override { promise_.set_value(status_); }
  void on_error(Error error) override { promise_.set_value(std::unexpected(std::move(error))); }

 private:
  std::promise<Result<int>> promise_;
  int status_ = 0;
};

TEST(HttpClientNames, ANameThatHangsHoldsNeitherOtherCallsNorTheEnd) {
  TestServer server([](std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, "ok"); });
  std::promise<void> let_go;
  std::atomic<bool> asked = false;
  ResolverOptions names;
  names.look_up = [&asked, hangs = let_go.get_future().share()](const std::string& host) -> Result<Addresses> {
    if (host == "slow.test") {
      asked = true;
      hangs.wait();
    }
    return Addresses{boost::asio::ip::address_v4::loopback()};
  };
  {
    Workers workers(1, std::move(names));
    std::unique_ptr<HttpClient> client;
    workers.start();
    std::vector<std::future<Result<int>>> answers;
    for (const std::string host : {"slow.test", "other.test", "localhost"}) {
      std::promise<Result<int>> promise;
      answers.push_back(promise.get_future());
      workers[0].post([&, host, promise = std::move(promise)]() mutable {
        if (!client) client = std::make_unique<HttpClient>(workers[0]);
        ClientRequest request;
        request.host = host;
        request.port = server.port();
        client->send(std::move(request), std::make_unique<StatusSink>(std::move(promise)));
      });
    }
    for (const int other : {1, 2}) {
      ASSERT_EQ(answers[other].wait_for(std::chrono::seconds(10)), std::future_status::ready);
      EXPECT_EQ(answers[other].get(), 200);
    }
    EXPECT_TRUE(wait_for([&] { return asked.load(); }));
    workers[0].post([&] { client.reset(); });
    const Result<int> slow = answers[0].get();
    ASSERT_FALSE(slow);
    EXPECT_EQ(slow.error().code, Code::kCancelled);
  }
  let_go.set_value();
}

}  // namespace
}  // namespace tandem::net
