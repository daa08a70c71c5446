#include "host/guest_invoke.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "blocks/invoke/caller_headers.h"
#include "host/guest_caller.h"
#include "net/hop_headers.h"
#include "net/http_head.h"

namespace tandem::host {
namespace {

constexpr std::string_view kReason = "ERR_DIRECT_INVOKE";

std::string explain(std::string_view app_id, std::string_view what) {
  return fmt::format("failed to invoke, id: {}, err: {}", app_id, what);
}

// net/ sets them.
bool is_set_anew(std::string_view name) {
  return net::equals_ignoring_case(name, "host") || net::equals_ignoring_case(name, "content-length");
}

bool has(const net::OwnedHeaders& headers, std::string_view name) {
  return std::ranges::any_of(headers, [&](const auto& header) { return net::equals_ignoring_case(header.name, name); });
}

class GatherSink final : public net::ResponseSink {
 public:
  GatherSink(std::string app_id, std::size_t max_body_bytes, Completion<InvokeResponse> done)
      : app_id_(std::move(app_id)), max_body_bytes_(max_body_bytes), done_(std::move(done)) {}

  bool on_whole(int status, net::Headers headers, std::string_view body) override {
    on_head(status, headers);
    append(body);
    finish();
    return true;
  }

  void on_head(int status, net::Headers headers) override {
    response_.status = status;
    const net::HopHeaders hop(headers);
    for (const net::Header& header : headers) {
      if (hop.contains(header.name) || is_set_anew(header.name)) continue;
      response_.headers.push_back({std::string(header.name), std::string(header.value)});
    }
  }

  void on_body(std::string_view piece, Completion<void> resume) override {
    append(piece);
    if (!over_) return resume({});
    // The guest hears of it now; what still comes is ignored.
    finish();
    resume(fail(Code::kCancelled, "the answer is over the caller's limit"));
  }

  void on_end(net::Headers) override { finish(); }

  void on_error(Error error) override {
    if (done_) std::exchange(done_, nullptr)(fail(error.code, std::string(kReason), explain(app_id_, error.message)));
  }

 private:
  void append(std::string_view piece) {
    over_ = over_ || piece.size() > max_body_bytes_ - body_.size();
    if (!over_) body_ += piece;
  }

  void finish() {
    if (!done_) return;
    Completion<InvokeResponse> done = std::exchange(done_, nullptr);
    if (over_) {
      const std::string what = fmt::format("the answer is longer than {} bytes", max_body_bytes_);
      return done(fail(Code::kResourceExhausted, std::string(kReason), explain(app_id_, what)));
    }
    response_.body = share(std::move(body_));
    done(std::move(response_));
  }

  const std::string app_id_;
  const std::size_t max_body_bytes_;
  Completion<InvokeResponse> done_;
  InvokeResponse response_;
  std::string body_;
  bool over_ = false;
};

void call(void* user, tdm_str id, const tdm_invoke_request* raw, tdm_reply* raw_reply) noexcept {
  GuestReply reply(raw_reply);
  GuestCaller& guest = caller_of(user);
  HostServices& services = guest.services();
  const std::string app_id(view(id));
  const std::size_t limit = services.max_invoke_body_bytes;
  const auto external = services.invoke.find_external(guest.context().app_id, app_id);
  const Result<invoke::Callee> callee = external ? Result<invoke::Callee>(*external) : services.invoke.find(app_id);
  if (!callee) return reply.error(callee.error());
  Result<net::OwnedRequest> request = invoke_request(*raw, callee->app_id, guest.context(), limit);
  if (!request) return reply.error(request.error());
  request->authority = callee->authority;
  request->headers.push_back({std::string(invoke::kCallerNamespace), services.invoke.name_space()});

  auto sink = gather_response(app_id, limit, [reply = std::move(reply)](Result<InvokeResponse> result) mutable {
    reply.response(std::move(result));
  });
  std::string_view method = std::string_view(request->target).substr(0, request->target.find('?'));
  if (method.starts_with('/')) method.remove_prefix(1);
  // The guest's memory, and the views of it, may be gone when the worker comes to it.
  guest.executor().post([&services, worker = guest.worker_index(), app_id, method = std::string(method),
                         request = std::move(*request), body = std::string(view(raw->body)), context = guest.context(),
                         sink = std::move(sink)]() mutable {
    const std::string caller = context.app_id;
    services.invoke.hand_over(
        caller, app_id, method, worker,
        net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)));
  });
}

}  // namespace

Result<net::OwnedRequest> invoke_request(const tdm_invoke_request& raw, std::string_view app_id,
                                         const CallContext& context, std::size_t max_body_bytes) {
  const auto invalid = [&](std::string_view what) {
    return fail(Code::kInvalidArgument, std::string(kReason), explain(app_id, what));
  };
  const std::string_view path = view(raw.path);
  if (!net::valid_token(view(raw.method))) return invalid("the method is not one: \"GET\", \"POST\", …");
  const auto ends_a_path = [](unsigned char c) { return c <= 0x20 || c == 0x7f || c == '#'; };
  if (std::ranges::any_of(path, ends_a_path)) {
    return invalid("the path has a space, a control character or a fragment in it: percent-encode it");
  }
  if (raw.body.len > max_body_bytes) {
    const std::string what = fmt::format("the body is longer than {} bytes", max_body_bytes);
    return fail(Code::kResourceExhausted, std::string(kReason), explain(app_id, what));
  }

  net::OwnedRequest request{.method = std::string(view(raw.method)), .authority = std::string(app_id)};
  request.target = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  const std::span headers(raw.headers, raw.headers_count);
  net::HopHeaders hop;
  for (const tdm_header& header : headers) hop.add(view(header.name), view(header.value));
  for (const tdm_header& header : headers) {
    const net::Header checked{view(header.name), view(header.value)};
    if (!net::valid_header(checked)) return invalid(fmt::format("the header {} is not one", checked.name));
    if (hop.contains(checked.name) || is_set_anew(checked.name) || invoke::says_who_calls(checked.name)) continue;
    request.headers.push_back({std::string(checked.name), std::string(checked.value)});
  }
  request.headers.push_back({std::string(invoke::kCallerAppId), context.app_id});
  request.headers.push_back({std::string(invoke::kCalleeAppId), std::string(app_id)});
  if (!context.trace.traceparent.empty() && !has(request.headers, "traceparent")) {
    request.headers.push_back({"traceparent", context.trace.traceparent});
    if (!context.trace.tracestate.empty()) request.headers.push_back({"tracestate", context.trace.tracestate});
  }
  return request;
}

std::unique_ptr<net::ResponseSink> gather_response(std::string app_id, std::size_t max_body_bytes,
                                                   Completion<InvokeResponse> done) {
  return std::make_unique<GatherSink>(std::move(app_id), max_body_bytes, std::move(done));
}

const tdm_invoke_vtable& invoke_vtable() {
  static constexpr tdm_invoke_vtable kTable = {.call = call};
  return kTable;
}

}  // namespace tandem::host
