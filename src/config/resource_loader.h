// Reads Dapr resources from folders and texts into typed structs.
//
// As Dapr does: *.yaml and *.yml directly in each folder (no sub-folders), several documents a file, documents of other
// systems ignored. Files and their order are stable: folders as given, files by name, documents from top to bottom.
// Every mistake goes to Diagnostics with file and line; what is readable is still returned. Bounds on outside input: 1
// MiB a file, 64 levels of nesting, 100,000 nodes a file, 10,000 files a folder. Blocking file reads: not on a worker.
// Never throws.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/component.h"
#include "config/configuration.h"
#include "config/diagnostics.h"
#include "config/http_endpoint.h"
#include "config/resiliency.h"
#include "config/subscription.h"

namespace tandem::config {

struct Resources {
  std::vector<Component> components;
  std::vector<Subscription> subscriptions;
  std::vector<HttpEndpoint> http_endpoints;
  std::vector<Resiliency> resiliencies;

  // Those whose scopes include the app.
  Resources visible_to(std::string_view app_id) const;
};

// A name used by two components, two HTTP endpoints or two Resiliency resources is an error, across files and folders.
Resources load_resources(std::span<const std::string> folders, Diagnostics& diagnostics);

// Adds the resources of one file's text; `file` is only for messages.
void parse_resources(std::string_view text, const std::string& file, Resources& resources, Diagnostics& diagnostics);

// Reads the first Configuration document of a file. `$VAR` and `${VAR}` in values stand for environment variables, as
// in Dapr. Nullopt (and an error) when there is none.
std::optional<Configuration> load_configuration(const std::string& path, Diagnostics& diagnostics);
// Several files as daprd reads them: each one's keys come over those of the files before it. A list is replaced as a
// whole. Nullopt (and an error) when one of them has none, or there is no file.
std::optional<Configuration> load_configurations(std::span<const std::string> paths, Diagnostics& diagnostics);
std::optional<Configuration> parse_configuration(std::string_view text, const std::string& file,
                                                 Diagnostics& diagnostics);

}  // namespace tandem::config
