// Service invocation: finds out which app a request is for, and hands the exchange to it.
//
// The app id is in the path (/v1.0/invoke/{id}/method/{method…}), in the header dapr-app-id, or in a basic
// authorization dapr-app-id:{id}; with the last two the whole path is the method. Called on the worker of `api`. Never
// throws. Source: https://docs.dapr.io/reference/api/service_invocation_api/.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/http/dapr_api.h"
#include "api/http/target.h"
#include "base/result.h"
#include "blocks/invoke/method.h"

namespace tandem::api::http {

struct InvokeTarget {
  std::string app_id;  // empty: the request names none
  std::string method;  // decoded, without the leading slash
};

// `path` is as it was sent: percent-encoded and not cleaned.
InvokeTarget find_invoke_target(std::string_view path, net::Headers headers);

using invoke::normalize_method;

void invoke_app(const ApiOptions& api, std::unique_ptr<net::Exchange> exchange, const Target& target);

}  // namespace tandem::api::http
