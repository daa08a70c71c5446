#include "api/http/answer_headers.h"

#include <string>
#include <utility>
#include <vector>

#include "api/http/cors.h"

namespace tandem::api::http {
namespace {

class ExtendedExchange final : public net::Exchange {
 public:
  ExtendedExchange(std::unique_ptr<net::Exchange> inner, AnswerHeaders added)
      : inner_(std::move(inner)), added_(added) {
    if (added_.trace == AnswerHeaders::Trace::kTold) baggage_ = baggage_of(inner_->head().headers);
  }

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
    std::vector<net::Header> all;
    all.reserve(headers.size() + 5);
    all.assign(headers.begin(), headers.end());
    if (!added_.allowed_origins.empty()) append_cors(all, inner_->head(), added_.allowed_origins);
    const TraceContext& trace = inner_->context().trace;
    if (added_.trace != AnswerHeaders::Trace::kTold) return all;
    if (!trace.traceparent.empty() && !net::find_header(headers, "traceparent")) {
      all.push_back({"traceparent", trace.traceparent});
      if (!trace.tracestate.empty()) all.push_back({"tracestate", trace.tracestate});
    }
    if (!baggage_.empty()) all.push_back({"baggage", baggage_});
    return all;
  }

  std::unique_ptr<net::Exchange> inner_;
  AnswerHeaders added_;
  std::string baggage_;  // it outlives the request's headers
};

}  // namespace

std::string baggage_of(net::Headers headers) {
  std::string baggage;
  for (const net::Header& header : headers) {
    if (!net::equals_ignoring_case(header.name, "baggage")) continue;
    baggage.append(baggage.empty() ? "" : ",").append(header.value);
  }
  return baggage;
}

std::unique_ptr<net::Exchange> with_answer_headers(std::unique_ptr<net::Exchange> exchange, AnswerHeaders added) {
  return std::make_unique<ExtendedExchange>(std::move(exchange), added);
}

}  // namespace tandem::api::http
