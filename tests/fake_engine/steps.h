// The steps of a script, ready to run.
#pragma once

#include <memory>

#include "instance.h"

namespace tandem::fake {

// `text` has come through parse_script().
std::unique_ptr<Step> make_step(StepText text);

// Those that call the functions of tandem_wit.h (host_steps.cc); null for any other verb.
std::unique_ptr<Step> make_host_step(StepText& text);
// Those that make HTTP requests (http_steps.cc); null for any other verb.
std::unique_ptr<Step> make_http_step(StepText& text);

}  // namespace tandem::fake
