#include "api/http/cors.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace tandem::api::http {
namespace {

constexpr std::string_view kAll = "*";

bool is_method_allowed(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods = {"HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return std::ranges::any_of(kMethods, [&](std::string_view m) { return net::equals_ignoring_case(m, method); });
}

bool matches(std::string_view pattern, std::string_view origin) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return net::equals_ignoring_case(pattern, origin);
  const std::string_view first = pattern.substr(0, star);
  const std::string_view last = pattern.substr(star + 1);
  return origin.size() >= first.size() + last.size() &&
         net::equals_ignoring_case(origin.substr(0, first.size()), first) &&
         net::equals_ignoring_case(origin.substr(origin.size() - last.size()), last);
}

// What the answer says to the page at `origin`.
void append_allowance(std::vector<net::Header>& headers, std::string_view allowed, std::string_view origin) {
  const bool all = allowed == kAll;
  headers.push_back({"Access-Control-Allow-Origin", all ? kAll : origin});
  if (all) headers.push_back({"Access-Control-Allow-Credentials", "true"});
}

class CorsExchange final : public net::Exchange {
 public:
  CorsExchange(std::unique_ptr<net::Exchange> inner, std::string_view allowed)
      : inner_(std::move(inner)), allowed_(allowed) {}

  const net::RequestHead& head() const override { return inner_->head(); }
  net::BodySource& body() override { return inner_->body(); }
  CallContext& context() override { return inner_->context(); }
  void respond(int status, net::Headers headers, std::string_view body) override {
    inner_->respond(status, extended(headers), body);
  }
  void start(int status, net::Headers headers) override { inner_->start(status, extended(headers)); }
  void write(std::string_view piece, Completion<void> done) override { inner_->write(piece, std::move(done)); }
  void finish(net::Headers trailers) override { inner_->finish(trailers); }
  void abort() override { inner_->abort(); }
  bool gone() const override { return inner_->gone(); }

 private:
  std::vector<net::Header> extended(net::Headers headers) const {
    std::vector<net::Header> all(headers.begin(), headers.end());
    all.push_back({"Vary", "Origin"});
    const auto origin = net::find_header(head().headers, "origin");
    if (origin && is_origin_allowed(allowed_, *origin) && is_method_allowed(head().method)) {
      append_allowance(all, allowed_, *origin);
    }
    return all;
  }

  std::unique_ptr<net::Exchange> inner_;
  std::string_view allowed_;
};

}  // namespace

bool is_origin_allowed(std::string_view allowed, std::string_view origin) {
  if (origin.empty()) return false;
  while (!allowed.empty()) {
    const std::size_t comma = allowed.find(',');
    if (matches(allowed.substr(0, comma), origin)) return true;
    allowed = comma == std::string_view::npos ? std::string_view() : allowed.substr(comma + 1);
  }
  return false;
}

bool is_preflight(const net::RequestHead& head) {
  const auto method = net::find_header(head.headers, "access-control-request-method");
  return head.method == "OPTIONS" && method && !method->empty();
}

void answer_preflight(net::Exchange& exchange, std::string_view allowed) {
  const net::Headers request = exchange.head().headers;
  const std::string_view origin = net::find_header(request, "origin").value_or("");
  const std::string_view method = net::find_header(request, "access-control-request-method").value_or("");
  std::vector<net::Header> headers = {
      {"Vary", "Origin"}, {"Vary", "Access-Control-Request-Method"}, {"Vary", "Access-Control-Request-Headers"}};
  if (is_origin_allowed(allowed, origin) && is_method_allowed(method)) {
    append_allowance(headers, allowed, origin);
    headers.push_back({"Access-Control-Allow-Methods", method});
    if (const auto names = net::find_header(request, "access-control-request-headers"); names && !names->empty()) {
      headers.push_back({"Access-Control-Allow-Headers", *names});
    }
  }
  exchange.respond(200, headers, {});
}

std::unique_ptr<net::Exchange> with_cors(std::unique_ptr<net::Exchange> exchange, std::string_view allowed) {
  return std::make_unique<CorsExchange>(std::move(exchange), allowed);
}

}  // namespace tandem::api::http
