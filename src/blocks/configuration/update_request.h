// An update of configuration as an app gets it over HTTP: the path and the JSON, as daprd 1.18 writes them.
//
// Pure functions; any thread; never fail.
#pragma once

#include <string>

#include "blocks/configuration/configuration_service.h"

namespace tandem::configuration {

// How long the app may take for an update.
inline constexpr std::chrono::seconds kUpdateTimeout{60};

// `{"key":{"value":"…","version":"…","metadata":{…}}}`; what is empty is left out.
void append_items(std::string& out, const Items& items);

// "/configuration/<store>/<key>": a subscriber gets a key at a time.
std::string update_path(const Update& update);
std::string update_body(const Update& update);

}  // namespace tandem::configuration
