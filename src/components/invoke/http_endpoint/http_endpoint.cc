#include "components/invoke/http_endpoint/http_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/json.h"
#include "blocks/invoke/caller_headers.h"
#include "net/hop_headers.h"

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnect{15'000};  // name, connection and TLS; daprd's limit for each of the last two
constexpr milliseconds kSilence{300'000};
constexpr milliseconds kLook{500};  // how often it is looked for a caller that has left

using SharedExchange = std::shared_ptr<net::Exchange>;

// Said to other sidecars, and a secret of this one.
bool stays_in_dapr(std::string_view name) {
  return invoke::says_who_calls(name) || net::equals_ignoring_case(name, "dapr-api-token") ||
         net::equals_ignoring_case(name, "host");
}

void answer_failure(net::Exchange& exchange, std::string_view id, std::string_view cause) {
  std::string body = "{\"errorCode\":\"ERR_DIRECT_INVOKE\",\"message\":";
  append_json_string(body, fmt::format("failed to invoke, id: {}, err: {}", id, cause));
  body += '}';
  const std::array<net::Header, 1> headers = {net::Header{"Content-Type", "application/json"}};
  exchange.respond(500, headers, body);
}

// Ends the call when its caller leaves. Its sink owns it.
class CallerWatch final : private net::TimeoutEntry {
 public:
  CallerWatch(net::Worker& worker, SharedExchange exchange) : worker_(worker), exchange_(std::move(exchange)) {}

  void start(net::ClientHandle call) {
    call_ = std::move(call);
    arm();
  }

 private:
  void arm() { worker_.timeouts().arm(*this, std::chrono::steady_clock::now() + kLook); }
  void on_timeout() override {
    if (!exchange_->gone()) return arm();
    net::ClientHandle call = std::move(call_);
    call.cancel();  // destroys the sink
  }

  net::Worker& worker_;
  const SharedExchange exchange_;
  net::ClientHandle call_;
};

class CallersBody final : public net::BodySource {
 public:
  explicit CallersBody(SharedExchange exchange) : exchange_(std::move(exchange)) {}
  void read(Completion<std::string_view> done) override { exchange_->body().read(std::move(done)); }
  std::optional<std::string_view> take_whole() override { return exchange_->body().take_whole(); }
  net::Headers trailers() const override { return exchange_->body().trailers(); }

 private:
  const SharedExchange exchange_;
};

// Passes the answer on.
class AnswerSink final : public net::ResponseSink {
 public:
  AnswerSink(SharedExchange exchange, std::string id, std::shared_ptr<CallerWatch> watch)
      : exchange_(std::move(exchange)), id_(std::move(id)), watch_(std::move(watch)) {}

  bool on_whole(int status, net::Headers headers, std::string_view body) override {
    if (exchange_->head().method == "HEAD") return false;  // the length is the callee's, there is no body
    exchange_->respond(status, kept(headers, Length::kSetAnew), body);
    return true;
  }
  void on_head(int status, net::Headers headers) override {
    started_ = true;
    exchange_->start(status, kept(headers, Length::kKept));
  }
  void on_body(std::string_view piece, Completion<void> resume) override { exchange_->write(piece, std::move(resume)); }
  void on_end(net::Headers trailers) override { exchange_->finish(trailers); }
  void on_error(Error error) override {
    if (started_) return exchange_->abort();
    answer_failure(*exchange_, id_, error.message);
  }

 private:
  enum class Length { kKept, kSetAnew };

  net::Headers kept(net::Headers headers, Length length) {
    kept_.clear();
    const net::HopHeaders hop(headers);
    for (const net::Header& header : headers) {
      if (hop.contains(header.name)) continue;
      if (length == Length::kSetAnew && net::equals_ignoring_case(header.name, "content-length")) continue;
      kept_.push_back(header);
    }
    return kept_;
  }

  const SharedExchange exchange_;
  const std::string id_;
  const std::shared_ptr<CallerWatch> watch_;
  std::vector<net::Header> kept_;
  bool started_ = false;
};

// As Dapr puts them together: one text after the other. A method that is empty adds no slash.
std::string target_of(const config::BaseUrl& base, std::string_view target) {
  if (target == "/" || target.starts_with("/?")) target.remove_prefix(1);
  std::string out(base.path);
  out += target;
  return out.starts_with('/') ? out : "/" + out;
}

}  // namespace

class HttpEndpoint::Lane final : public net::Handler {
 public:
  Lane(net::Worker& worker, const HttpEndpointOptions& options)
      : worker_(worker), options_(options), client_(worker, net::ClientOptions{.tls = options.tls}) {}

  void handle(std::unique_ptr<net::Exchange> owned) override {
    const SharedExchange exchange(std::move(owned));
    const net::RequestHead& head = exchange->head();
    std::string id(options_.name.empty() ? head.authority : std::string_view(options_.name));
    const auto base = config::parse_base_url(head.authority);
    if (!base) {
      return answer_failure(*exchange, id,
                            "the URL is not one: http:// or https://, a host, perhaps a port and a path");
    }
    net::ClientRequest request{.method = std::string(head.method),
                               .scheme = std::string(base->scheme),
                               .host = std::string(base->host),
                               .port = base->port,
                               .target = target_of(*base, head.target),
                               .headers = headers_for(head.headers),
                               .connect_timeout = kConnect,
                               .first_byte_timeout = kSilence,
                               .between_bytes_timeout = kSilence};
    if (options_.guest_grants && exchange->context().origin == CallOrigin::kGuest) {
      const config::OutboundHosts* const grants = options_.guest_grants(exchange->context().app_id);
      if (grants == nullptr || !grants->allows(base->scheme, base->host, base->port)) {
        return answer_failure(*exchange, id, "the app does not allow this host: see allowedOutboundHosts");
      }
      request.address_filter = [grants, scheme = request.scheme, host = request.host](std::string_view ip,
                                                                                      std::uint16_t port) {
        const auto address = config::IpAddress::parse(ip);
        return address && grants->allows_address(scheme, host, port, *address);
      };
    }
    if (const SteadyTime deadline = exchange->context().deadline; deadline != SteadyTime::max()) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
      request.first_byte_timeout = std::clamp(left, milliseconds(1), kSilence);
    }
    if (const auto whole = exchange->body().take_whole()) {
      request.body = std::string(*whole);
    } else {
      request.body = std::make_unique<CallersBody>(exchange);
    }
    const auto watch = std::make_shared<CallerWatch>(worker_, exchange);
    watch->start(client_.send(std::move(request), std::make_unique<AnswerSink>(exchange, std::move(id), watch)));
  }

 private:
  net::OwnedHeaders headers_for(net::Headers received) const {
    net::OwnedHeaders headers;
    headers.reserve(received.size() + options_.headers.size());
    const net::HopHeaders hop(received);
    for (const net::Header& header : received) {
      const bool replaced = std::ranges::any_of(options_.headers, [&](const net::OwnedHeader& own) {
        return net::equals_ignoring_case(own.name, header.name);
      });
      if (replaced || hop.contains(header.name) || stays_in_dapr(header.name)) continue;
      headers.push_back({std::string(header.name), std::string(header.value)});
    }
    headers.insert(headers.end(), options_.headers.begin(), options_.headers.end());
    return headers;
  }

  net::Worker& worker_;
  const HttpEndpointOptions& options_;
  net::HttpClient client_;
};

HttpEndpoint::HttpEndpoint(net::Workers& workers, HttpEndpointOptions options) : options_(std::move(options)) {
  for (std::size_t i = 0; i < workers.size(); ++i) lanes_.push_back(std::make_unique<Lane>(workers[i], options_));
}

HttpEndpoint::~HttpEndpoint() = default;

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::make(net::Workers& workers, const config::HttpEndpoint& resource) {
  HttpEndpointOptions options{.name = resource.name};
  for (const config::MetadataItem& item : resource.headers) {
    if (!stays_in_dapr(item.name) || net::equals_ignoring_case(item.name, "dapr-api-token")) {
      options.headers.push_back({item.name, item.value});
    }
  }
  if (!resource.root_ca.value.empty() || !resource.certificate.value.empty() || !resource.private_key.value.empty()) {
    auto tls = net::TlsClient::make({.ca_pem = resource.root_ca.value,
                                     .certificate_pem = resource.certificate.value,
                                     .key_pem = resource.private_key.value});
    if (!tls) return fail(std::move(tls.error()));
    options.tls = std::move(*tls);
  }
  return std::make_unique<HttpEndpoint>(workers, std::move(options));
}

net::Handler& HttpEndpoint::handler(std::size_t worker) { return *lanes_[worker]; }

}  // namespace tandem::components
