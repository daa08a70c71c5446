// The google.rpc details that Dapr 1.18 gives its errors, apart from how a door writes them.
//
// Plain functions and values, any thread, never throws. Source: https://docs.dapr.io/reference/errors/ and the answers
// of daprd 1.18.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace tandem {

// What the failed request was about; the details of an error name it. Views outlive the call that takes them.
struct ErrorSite {
  std::string_view app_id;         // empty: the details do not name the app
  std::string_view app_namespace;  // of that app, for details that name it too
  std::string_view component;      // state store, pub/sub or the app that was called
  std::string_view topic;
  std::string_view key;
  std::string_view cause;              // the bare cause, where the message wraps it
  const Metadata* metadata = nullptr;  // of the request, where the details repeat it
};

// In the order in which Dapr writes them.
struct ErrorDetails {
  struct Violation {
    std::string field;
    std::string description;
  };
  struct Help {
    std::string description;
    std::string url;
  };
  struct Resource {
    std::string type;
    std::string name;
    std::string description;
  };

  std::optional<Violation> violation;  // BadRequest
  std::optional<Help> help;
  std::optional<Resource> resource;  // ResourceInfo
  // ErrorInfo, of domain dapr.io.
  std::string_view reason;
  std::optional<Metadata> metadata;
};

// None: Dapr gives this error no details of its own.
std::optional<ErrorDetails> details_of(const Error& error, const ErrorSite& site);

}  // namespace tandem
