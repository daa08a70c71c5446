// An event of an input binding as AppCallback.OnBindingEvent has it, and what the app's answer means.
//
// Plain functions, any thread, never throw. Source: https://docs.dapr.io/reference/api/bindings_api/ and daprd 1.18.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "blocks/bindings/binding_service.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"

namespace tandem::app::grpc {

::dapr::proto::runtime::v1::BindingEventRequest binding_event(bindings::AppEvent event);

// As in daprd 1.18, `states` and `store_name` of the answer are not read.
Result<bindings::AppAnswer> binding_answer(const ::grpc::Status& status,
                                           const ::dapr::proto::runtime::v1::BindingEventResponse& response);

// The names of `offered` that the app has listed.
std::vector<std::string> wanted_bindings(const std::vector<bindings::BindingService::Input>& offered,
                                         const ::dapr::proto::runtime::v1::ListInputBindingsResponse& response);

}  // namespace tandem::app::grpc
