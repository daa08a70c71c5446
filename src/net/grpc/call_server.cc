#include "net/grpc/call_server.h"

#include <fmt/format.h>

#include <array>
#include <future>
#include <string>
#include <string_view>
#include <utility>

#include "net/grpc/call_text.h"

namespace tandem::net::grpc {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kContentType = "application/grpc";

// daprd's own settings: who pings more than every 8 s is cut off, who is idle for 3 minutes is told to go. A stream may
// be silent for as long as it likes, in either direction, while its client answers pings.
ServerOptions options_of(const ListenOn& place) {
  ServerOptions options;
  options.address = place.address;
  options.more_addresses = place.more_addresses;
  options.port = place.port;
  options.unix_socket = place.unix_socket;
  options.purpose = place.purpose;
  options.hint = place.hint;
  options.http2 = Http2::kOnly;
  options.max_streams = 1000;
  options.own_headers = OwnHeaders::kNone;
  options.idle_timeout = minutes(3);
  options.body_stall_timeout = hours(24 * 365);
  options.write_stall_timeout = hours(24 * 365);
  options.ping_after = seconds(10);
  options.ping_timeout = seconds(5);
  options.min_ping_interval = seconds(8);
  return options;
}

bool is_grpc(std::string_view content_type) {
  if (!content_type.starts_with(kContentType)) return false;
  content_type.remove_prefix(kContentType.size());
  return content_type.empty() || content_type.front() == '+' || content_type.front() == ';';
}

// An answer without messages, under a status of HTTP.
void refuse(Exchange& exchange, int http_status, const Error& error) {
  const std::string code = std::to_string(static_cast<int>(error.code));
  const std::string message = encode_message(error.message);
  const std::array<Header, 3> headers = {Header{"content-type", kContentType}, Header{"grpc-status", code},
                                         Header{"grpc-message", message}};
  exchange.respond(http_status, headers, {});
}

}  // namespace

void take_call(std::unique_ptr<Exchange> exchange, Worker& worker, const CallRules& rules, CallService& service) {
  const RequestHead& head = exchange->head();
  std::string_view content_type;
  std::string_view timeout;
  std::string_view encoding;
  for (const Header& header : head.headers) {
    if (header.name == "content-type") content_type = header.value;
    if (header.name == "grpc-timeout") timeout = header.value;
    if (header.name == "grpc-encoding") encoding = header.value;
  }
  if (!is_grpc(content_type)) {
    return refuse(
        *exchange, 415,
        make_error(Code::kInvalidArgument, fmt::format("invalid gRPC request content-type \"{}\"", content_type)));
  }
  if (head.method != "POST") {
    return refuse(
        *exchange, 405,
        make_error(Code::kInternal,
                   fmt::format("Received a HEADERS frame with :method \"{}\" which should be POST", head.method)));
  }
  if (head.target.rfind('/') == 0) {
    return refuse(*exchange, 200,
                  make_error(Code::kUnimplemented, fmt::format("malformed method name: \"{}\"", head.target)));
  }
  IncomingCall call{.worker = &worker, .rules = &rules};
  if (!timeout.empty()) {
    const auto deadline = deadline_of(timeout, std::chrono::steady_clock::now());
    if (!deadline) return refuse(*exchange, 400, deadline.error());
    call.deadline = *deadline;
  }
  const auto known = encoding_of(encoding);
  if (!known) {
    return refuse(*exchange, 200,
                  make_error(Code::kUnimplemented,
                             fmt::format("grpc: Decompressor is not installed for grpc-encoding \"{}\"", encoding)));
  }
  call.encoding = *known;
  call.exchange = std::move(exchange);
  service.serve(std::move(call));
}

class CallServer::CallHandler final : public Handler {
 public:
  CallHandler(Worker& worker, const CallRules& rules, CallService& service)
      : worker_(worker), rules_(rules), service_(service) {}
  void handle(std::unique_ptr<Exchange> exchange) override {
    take_call(std::move(exchange), worker_, rules_, service_);
  }

 private:
  Worker& worker_;
  const CallRules& rules_;
  CallService& service_;
};

Result<std::unique_ptr<CallServer>> CallServer::listen(Workers& workers, const ListenOn& place, CallRules rules,
                                                       CallService& service) {
  std::unique_ptr<CallServer> server(new CallServer(workers, std::move(rules)));
  for (std::size_t i = 0; i < workers.size(); ++i) {
    server->handlers_.push_back(std::make_unique<CallHandler>(workers[i], server->rules_, service));
  }
  auto listening = HttpServer::listen(workers, options_of(place),
                                      [&](Worker& worker) -> Handler& { return *server->handlers_[worker.index()]; });
  if (!listening) return fail(std::move(listening.error()));
  server->server_ = std::move(*listening);
  return server;
}

CallServer::CallServer(Workers& workers, CallRules rules) : workers_(workers), rules_(std::move(rules)) {}

CallServer::~CallServer() {
  if (!server_) return;
  server_.reset();
  // What gRPC's threads still have to say is posted to the workers.
  if (workers_[0].running()) rules_.onward->wait();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i].running()) continue;
    auto passed = std::make_shared<std::promise<void>>();
    std::future<void> done = passed->get_future();
    // A worker that stops destroys the task, and with it the promise.
    workers_[i].post([passed = std::move(passed)] { passed->set_value(); });
    done.wait();
  }
}

}  // namespace tandem::net::grpc
