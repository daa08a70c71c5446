// bindings.http: requests to a server outside Dapr, an operation for each method. The answer's body is the data, its
// headers and status are metadata, also of an answer that is a failure. Redirections are followed, up to ten.
//
// A call runs on the worker that it comes from, else on any. Made and destroyed on a thread that is no worker's, once
// no call is under way. Requests go over HTTP/1.1; what an answer's body has above the limit is cut off. Source:
// https://docs.dapr.io/reference/components-reference/supported-bindings/http/.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "blocks/bindings/output_binding.h"
#include "components/bindings/http/http_binding_options.h"
#include "net/worker.h"

namespace tandem::components {

class HttpBinding final : public bindings::OutputBinding {
 public:
  // The workers outlive it.
  HttpBinding(HttpBindingOptions options, net::Workers& workers);
  ~HttpBinding() override;

  std::span<const std::string_view> operations() const override;
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;

 private:
  struct Lane;
  class Call;

  const std::shared_ptr<const HttpBindingOptions> options_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // one a worker
  std::atomic<std::size_t> next_{0};
};

}  // namespace tandem::components
