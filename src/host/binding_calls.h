// Calls of a guest's tandem:dapr/binding-handler: events of input bindings, and the question which of them the app
// takes.
//
// On the worker of the pool that runs them; guest_call.h says how they end. An event that the guest has refused fails
// with kUnavailable, as over HTTP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "blocks/bindings/binding_service.h"
#include "host/guest_call.h"

namespace tandem::host {

std::unique_ptr<GuestCall> make_binding_call(bindings::AppEvent event, SteadyTime deadline,
                                             Completion<bindings::AppAnswer> done);

std::unique_ptr<GuestCall> make_binding_names_call(SteadyTime deadline, Completion<std::vector<std::string>> done);

}  // namespace tandem::host
