// Metadata that Dapr's runtime reads itself, whatever the component: among the fields of each schema of a block.
#pragma once

#include <string_view>
#include <vector>

#include "config/component_metadata.h"

namespace tandem::components {

std::vector<config::SchemaField> runtime_fields(std::string_view block);

}  // namespace tandem::components
