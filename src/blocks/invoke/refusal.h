// What is answered when an app cannot be called: Dapr's 500 with ERR_DIRECT_INVOKE.
//
// For whoever stands for an app as its Endpoint and finds that there is nobody to hand an exchange to. Plain functions,
// on the worker of the exchange; never fails.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace tandem::invoke {

// {"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: …, err: …"}
std::string refusal_body(std::string_view app_id, std::string_view cause);

// Answers an exchange that has not been answered yet.
void refuse(net::Exchange& exchange, std::string_view app_id, std::string_view cause);

}  // namespace tandem::invoke
