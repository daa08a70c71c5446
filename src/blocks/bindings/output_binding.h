// What an output binding implements: operations on a system outside, each with data and metadata in and out.
//
// Looking it up, scopes and the list of operations are BindingService's. Threads: invoke() from any thread; close()
// from the server's, once. A completion may run in place. Source: https://docs.dapr.io/reference/api/bindings_api/.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"

namespace tandem::bindings {

struct InvokeRequest {
  std::string operation;  // one of operations()
  std::string data;
  Metadata metadata;
};

struct InvokeAnswer {
  SharedBytes data;  // null: the operation gives nothing back, which is not the same as empty bytes
  Metadata metadata;
  // A failure that has metadata all the same, as an HTTP answer of 404 does.
  std::optional<Error> failure;
};

class OutputBinding {
 public:
  virtual ~OutputBinding() = default;

  // Their names, in the order in which messages list them.
  virtual std::span<const std::string_view> operations() const = 0;
  virtual void invoke(const CallContext& context, InvokeRequest request, Completion<InvokeAnswer> done) = 0;
  virtual void close(SteadyTime deadline) {}
};

}  // namespace tandem::bindings
