#include "dapr_port.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

namespace tandem::conformance {
namespace {

Code code_of(int status) {
  switch (status) {
    case 400: return Code::kInvalidArgument;
    case 403: return Code::kPermissionDenied;
    case 404: return Code::kNotFound;
    case 409: return Code::kAborted;
    default: return Code::kInternal;
  }
}

}  // namespace

DaprPort::DaprPort(std::string app_id, state::StateService& state, pubsub::PubsubService& pubsub)
    : api_({.app_id = std::move(app_id),
            .state = state,
            .pubsub = pubsub,
            .secrets = secrets_,
            .configuration = configuration_,
            .bindings = bindings_,
            .invoke = invoke_,
            .metadata = *this,
            .health = *this,
            .labels = labels_,
            .worker = worker_}) {}

Result<Answer> DaprPort::ask(std::string method, std::string target, std::string body, net::OwnedHeaders headers) {
  net::OwnedRequest request;
  request.method = std::move(method);
  request.authority = "localhost:3500";
  request.target = std::move(target);
  request.headers = std::move(headers);
  return conformance::ask(worker_, api_, std::move(request), std::move(body));
}

Result<Answer> DaprPort::call(std::string method, std::string target, std::string body, net::OwnedHeaders headers) {
  Result<Answer> answer = ask(std::move(method), std::move(target), std::move(body), std::move(headers));
  if (answer && answer->status >= 400) return fail(error_of(*answer));
  return answer;
}

Error error_of(const Answer& answer) {
  boost::system::error_code broken;
  const boost::json::value body = boost::json::parse(answer.body, broken);
  const boost::json::object* fields = broken ? nullptr : body.if_object();
  const auto text = [&](const char* name) {
    const boost::json::value* value = fields != nullptr ? fields->if_contains(name) : nullptr;
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  std::string message = text("message");
  if (message.empty()) message = fmt::format("{}: {}", answer.status, answer.body);
  return {code_of(answer.status), text("errorCode"), std::move(message)};
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace tandem::conformance
