// An invocation on its way to another app: the caller's exchange with the head that the callee should see.
//
// Body and answer pass straight through in both directions, piece by piece; only the request body's size is limited,
// and an answer without a content type gets the one that daprd gives it. The head of such an answer waits for the first
// piece of its body. Owned by whoever handles it; same worker as the exchange inside.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/response_sink.h"

namespace tandem::api::http {

// What changes on the way.
struct ForwardedCall {
  std::string_view method;  // outlives the call
  std::string target;       // of the callee, with the query
  std::string authority;    // the callee's own: the caller's names the Dapr port
  std::string named;        // the callee as the caller named it, for errors
  std::string caller_app_id;
  std::string callee_app_id;
  std::string caller_namespace;
  std::size_t max_body_bytes = 0;
  // The token of this door stays here.
  enum class ApiToken { kPass, kDrop } api_token = ApiToken::kPass;
};

class ForwardedExchange final : public net::Exchange {
 public:
  ForwardedExchange(std::unique_ptr<net::Exchange> inner, ForwardedCall call);

  const net::RequestHead& head() const override { return head_; }
  net::BodySource& body() override { return body_; }
  CallContext& context() override { return inner_->context(); }

  void respond(int status, net::Headers headers, std::string_view body) override;
  void start(int status, net::Headers headers) override;
  void write(std::string_view piece, Completion<void> done) override;
  void finish(net::Headers trailers) override;
  void abort() override;
  void refuse(const Error& error) override;
  bool gone() const override { return inner_->gone(); }

 private:
  // Passes pieces on until they are more than the limit.
  class LimitedBody final : public net::BodySource {
   public:
    LimitedBody(net::Exchange& inner, std::size_t limit) : inner_(inner), left_(limit) {}
    void read(Completion<std::string_view> done) override;
    std::optional<std::string_view> take_whole() override;
    net::Headers trailers() const override { return inner_.body().trailers(); }

   private:
    net::Exchange& inner_;
    std::size_t left_;
    bool over_ = false;
  };

  // A head without a content type, until something of the body has come.
  struct HeldHead {
    int status;
    net::OwnedHeaders headers;
  };
  void start_held(std::string_view first_piece);
  // The type for an answer that has none; empty: it stays without.
  std::string_view missing_type(int status, net::Headers headers, std::string_view first_piece) const;

  std::unique_ptr<net::Exchange> inner_;
  ForwardedCall call_;
  std::optional<HeldHead> held_;
  TraceContext trace_;  // the headers' own copy: whoever handles the call may take that of the context
  std::vector<net::Header> headers_;
  net::RequestHead head_;
  LimitedBody body_;
};

}  // namespace tandem::api::http
