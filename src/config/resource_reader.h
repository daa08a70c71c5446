// Reads single YAML documents into Dapr's resources. Internal to config/: resource_loader.h is the way in.
//
// `file` must outlive the call. Mistakes go to Diagnostics; what is returned is as complete as it can be, and is only
// to be used when no error was reported for it.
#pragma once

#include <string>

#include "config/component.h"
#include "config/configuration.h"
#include "config/diagnostics.h"
#include "config/http_endpoint.h"
#include "config/map_reader.h"
#include "config/resiliency.h"
#include "config/subscription.h"
#include "config/yaml.h"

namespace tandem::config {

// metadata.name of a resource, and a check of what Dapr checks about it.
std::string read_name(MapReader& document, const std::string& file, Diagnostics& diagnostics);

Component read_component(const YamlNode& document, const std::string& file, Diagnostics& diagnostics);
HttpEndpoint read_http_endpoint(const YamlNode& document, const std::string& file, Diagnostics& diagnostics);
Subscription read_subscription(const YamlNode& document, const std::string& file, Diagnostics& diagnostics);
Resiliency read_resiliency(const YamlNode& document, const std::string& file, Diagnostics& diagnostics);
Configuration read_configuration(const YamlNode& document, const std::string& file, Diagnostics& diagnostics);

}  // namespace tandem::config
