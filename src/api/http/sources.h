// The names that this door uses for what a sidecar says of itself (blocks/sidecar/app_metadata.h).
#pragma once

#include "blocks/sidecar/app_metadata.h"

namespace tandem::api::http {

using sidecar::AppConnection;
using sidecar::AppLabels;
using sidecar::AppMetadata;
using sidecar::ComponentInfo;
using sidecar::HealthSource;
using sidecar::MetadataSource;
using sidecar::SubscriptionInfo;

}  // namespace tandem::api::http
