// Calls of a guest's tandem:dapr/configuration-handler: updates, and the question what the app wants to hear of.
//
// On the worker of the pool that runs them; guest_call.h says how they end. An update that the guest has refused fails
// with kInternal.
#pragma once

#include <memory>
#include <vector>

#include "blocks/configuration/configuration_service.h"
#include "host/guest_call.h"

namespace tandem::host {

std::unique_ptr<GuestCall> make_update_call(configuration::Update update, SteadyTime deadline, Completion<void> done);

std::unique_ptr<GuestCall> make_wishes_call(SteadyTime deadline, Completion<std::vector<configuration::Wish>> done);

}  // namespace tandem::host
