#include "components/bindings/http/http_binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "components/bindings/http/http_binding_request.h"
#include "config/http_endpoint.h"
#include "net/http_client.h"

namespace tandem::components {
namespace {

using bindings::InvokeAnswer;
using std::chrono::milliseconds;

constexpr milliseconds kConnect{15'000};   // name, connection and TLS; daprd's limit for each of the last two
constexpr milliseconds kSilence{300'000};  // where the component has no responseTimeout
constexpr int kMaxRedirects = 10;
constexpr std::array<std::string_view, 9> kOperations = {"create", "get",    "head",    "post", "put",
                                                         "patch",  "delete", "options", "trace"};

// As Go's client names a failed request: Get "http://…": why.
Error request_error(const HttpBindingRequest& request, Code code, std::string_view why) {
  std::string verb = request.method;
  std::transform(verb.begin() + 1, verb.end(), verb.begin() + 1, [](char c) { return static_cast<char>(c | 0x20); });
  return make_error(code, fmt::format("{} \"{}\": {}", verb, request.url, why));
}

}  // namespace

struct HttpBinding::Lane {
  Lane(net::Worker& worker, std::shared_ptr<const HttpBindingOptions> shared)
      : worker(worker), options(std::move(shared)), client(worker, net::ClientOptions{.tls = options->tls}) {}
  net::Worker& worker;
  const std::shared_ptr<const HttpBindingOptions> options;
  net::HttpClient client;
};

// One call, with its redirections, until its answer is complete. The sink of the request under way keeps it alive.
class HttpBinding::Call final : public std::enable_shared_from_this<Call>, private net::TimeoutEntry {
 public:
  Call(Lane& lane, HttpBindingRequest request, Completion<InvokeAnswer> done)
      : lane_(lane), options_(*lane.options), request_(std::move(request)), done_(std::move(done)) {}

  void start(SteadyTime deadline) {
    if (options_.response_timeout) {
      deadline = std::min(deadline, std::chrono::steady_clock::now() + *options_.response_timeout);
    }
    if (deadline != SteadyTime::max()) lane_.worker.timeouts().arm(*this, deadline);
    send();
  }

 private:
  class Sink;

  void send();

  // False: the answer is not wanted any more.
  bool on_head(int status, net::Headers headers) {
    const std::string_view location = net::find_header(headers, "location").value_or("");
    const Result<bool> followed = follow_redirect(options_, status, location, request_);
    if (!followed) {
      end(fail(request_error(request_, followed.error().code, followed.error().message)));
      return false;
    }
    if (*followed) {
      if (++redirects_ > kMaxRedirects) {
        end(fail(request_error(request_, Code::kUnavailable, "stopped after 10 redirects")));
      } else {
        send();
      }
      return false;
    }
    answer_.metadata = http_answer_metadata(status, headers);
    if (request_.error_if_not_2xx && status / 100 != 2) {
      answer_.failure = make_error(Code::kInternal, fmt::format("received status code {}", status));
    }
    return true;
  }
  bool on_body(std::string_view piece) {
    const std::uint64_t room = options_.max_response_bytes ? *options_.max_response_bytes - body_.size() : piece.size();
    body_ += piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(room, piece.size())));
    if (room >= piece.size()) return true;
    on_end();
    return false;
  }
  void on_end() {
    answer_.data = share(std::move(body_));
    end(std::move(answer_));
  }
  void on_error(const Error& error) { end(fail(request_error(request_, error.code, error.message))); }

  void on_timeout() override {
    const auto self = shared_from_this();  // the sink goes
    handle_.cancel();
    end(fail(request_error(request_, Code::kDeadlineExceeded, "context deadline exceeded")));
  }

  void end(Result<InvokeAnswer> answer) {
    lane_.worker.timeouts().disarm(*this);
    if (done_) std::exchange(done_, nullptr)(std::move(answer));
  }

  Lane& lane_;
  const HttpBindingOptions& options_;
  HttpBindingRequest request_;
  Completion<InvokeAnswer> done_;
  net::ClientHandle handle_;
  int attempt_ = 0;
  int redirects_ = 0;
  std::string body_;
  InvokeAnswer answer_;
};

class HttpBinding::Call::Sink final : public net::ResponseSink {
 public:
  explicit Sink(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  void on_head(int status, net::Headers headers) override {
    if (!call_->on_head(status, headers)) call_.reset();
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    if (call_ && call_->on_body(piece)) return resume({});
    call_.reset();
    resume(fail(Code::kCancelled, "the rest of the answer is not wanted"));
  }
  void on_end(net::Headers) override {
    if (call_) call_->on_end();
  }
  void on_error(Error error) override {
    if (call_) call_->on_error(error);
  }

 private:
  std::shared_ptr<Call> call_;  // null: it does not want what still comes
};

void HttpBinding::Call::send() {
  const auto url = config::parse_base_url(request_.url);
  if (!url) return end(fail(request_error(request_, Code::kInvalidArgument, "no URL of http or https")));
  const milliseconds silence = std::max(kSilence, options_.response_timeout.value_or(kSilence));
  net::ClientRequest request{
      .method = request_.method,
      .scheme = std::string(url->scheme),
      .host = std::string(url->host),
      .port = url->port,
      .target = url->path.starts_with('/') ? std::string(url->path) : fmt::format("/{}", url->path),
      .headers = request_.headers,
      .body = request_.body,
      .connect_timeout = kConnect,
      .first_byte_timeout = silence,
      .between_bytes_timeout = silence};
  // What comes at once, in this call, may have begun the next request already.
  const int attempt = ++attempt_;
  net::ClientHandle handle = lane_.client.send(std::move(request), std::make_unique<Sink>(shared_from_this()));
  if (attempt == attempt_) handle_ = std::move(handle);
}

HttpBinding::HttpBinding(HttpBindingOptions options, net::Workers& workers)
    : options_(std::make_shared<const HttpBindingOptions>(std::move(options))) {
  for (std::size_t i = 0; i < workers.size(); ++i) lanes_.push_back(std::make_unique<Lane>(workers[i], options_));
}

HttpBinding::~HttpBinding() {
  for (std::unique_ptr<Lane>& lane : lanes_) {
    net::Worker& worker = lane->worker;
    // Its connections are that worker's.
    if (worker.running()) worker.post([lane = std::move(lane)] {});
  }
}

std::span<const std::string_view> HttpBinding::operations() const { return kOperations; }

void HttpBinding::invoke(const CallContext& context, bindings::InvokeRequest call, Completion<InvokeAnswer> done) {
  Result<HttpBindingRequest> request = http_binding_request(*options_, std::move(call));
  if (!request) return done(fail(std::move(request.error())));
  const auto start = [deadline = context.deadline](Lane& lane, HttpBindingRequest wanted,
                                                   Completion<InvokeAnswer> completion) {
    std::make_shared<Call>(lane, std::move(wanted), std::move(completion))->start(deadline);
  };
  const auto here = std::ranges::find_if(lanes_, [](const auto& lane) { return lane->worker.running_here(); });
  if (here != lanes_.end()) return start(**here, std::move(*request), std::move(done));
  Lane& lane = *lanes_[next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size()];
  lane.worker.post([start, &lane, request = std::move(*request), done = std::move(done)]() mutable {
    start(lane, std::move(request), std::move(done));
  });
}

}  // namespace tandem::components
