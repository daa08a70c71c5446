#include "api/grpc/invoke_answer.h"

#include <fmt/format.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <array>
#include <optional>

#include "api/grpc/error_map.h"
#include "base/base64.h"

namespace tandem::api::grpc {
namespace {

// They mean one connection, or a body that is framed anew.
constexpr std::array<std::string_view, 12> kLeftOut = {"connection",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "transfer-encoding",
                                                       "upgrade",
                                                       "http2-settings",
                                                       "te",
                                                       "trailer",
                                                       "content-length",
                                                       "proxy-authorization",
                                                       "proxy-authenticate",
                                                       "grpc-trace-bin"};

// HTTP's own, which daprd passes on under its prefix.
constexpr std::array<std::string_view, 22> kPermanent = {"accept",
                                                         "accept-charset",
                                                         "accept-language",
                                                         "accept-ranges",
                                                         "cache-control",
                                                         "content-type",
                                                         "cookie",
                                                         "date",
                                                         "expect",
                                                         "from",
                                                         "host",
                                                         "if-match",
                                                         "if-modified-since",
                                                         "if-none-match",
                                                         "if-schedule-tag-match",
                                                         "if-unmodified-since",
                                                         "max-forwards",
                                                         "origin",
                                                         "pragma",
                                                         "referer",
                                                         "via",
                                                         "warning"};

std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

bool is_key(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

bool is_text(std::string_view value) {
  return std::ranges::all_of(value, [](unsigned char c) { return c >= 0x20 && c <= 0x7E; });
}

}  // namespace

MetadataPairs metadata_of_headers(net::Headers headers) {
  MetadataPairs pairs;
  for (const net::Header& header : headers) {
    std::string key = lower_case(header.name);
    // What starts with grpc- is the protocol's own.
    if (!is_key(key) || key.starts_with("grpc-") || std::ranges::find(kLeftOut, key) != kLeftOut.end()) continue;
    if (std::ranges::find(kPermanent, key) != kPermanent.end()) key.insert(0, "dapr-");
    if (key.ends_with("-bin")) {
      if (auto bytes = base64_decode(header.value)) pairs.emplace_back(std::move(key), std::move(*bytes));
    } else if (is_text(header.value)) {
      pairs.emplace_back(std::move(key), std::string(header.value));
    }
  }
  return pairs;
}

void InvokeAnswer::on_head(int status, net::Headers headers) {
  status_ = status;
  content_type_ = net::find_header(headers, "content-type").value_or("");
  headers_ = metadata_of_headers(headers);
}

void InvokeAnswer::on_body(std::string_view piece, Completion<void> resume) {
  size_ += piece.size();
  if (size_ > limit_) {
    body_.clear();
  } else {
    body_ += piece;
  }
  resume({});
}

void InvokeAnswer::on_end(net::Headers) {
  call_->answer([&](::grpc::CallbackServerContext& server) {
    if (size_ > limit_) {
      return ::grpc::Status(::grpc::StatusCode::RESOURCE_EXHAUSTED,
                            fmt::format("grpc: trying to send message larger than max ({} vs. {})", size_, limit_));
    }
    for (const auto& [key, value] : headers_) server.AddInitialMetadata(key, value);
    server.AddInitialMetadata("dapr-http-status", fmt::format("{}", status_));
    ::grpc::Status status = status_of_http(status_, body_);
    if (status.ok()) {
      response_.mutable_data()->set_value(std::move(body_));
      response_.set_content_type(content_type_);
    }
    return status;
  });
}

void InvokeAnswer::on_error(Error error) { call_->fail(to_status(invoke_failed(app_id_, error.message))); }

}  // namespace tandem::api::grpc
