#include "api/grpc/configuration_methods.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"

namespace tandem::api::grpc {

void get_configuration(const ApiOptions& api, Executor& late, const SharedCall& call,
                       const wire::GetConfigurationRequest& request, wire::GetConfigurationResponse& response) {
  std::vector<std::string> keys(request.keys().begin(), request.keys().end());
  api.configuration.get({call->context(), late}, request.store_name(), std::move(keys), to_metadata(request.metadata()),
                        [call, &response](const Result<configuration::Items>& items) {
                          call->answer([&](auto&) {
                            if (!items) return to_status(items.error());
                            fill_items(*items, *response.mutable_items());
                            return ::grpc::Status::OK;
                          });
                        });
}

void unsubscribe_configuration(const ApiOptions& api, Executor& late, const SharedCall& call,
                               const wire::UnsubscribeConfigurationRequest& request,
                               wire::UnsubscribeConfigurationResponse& response) {
  api.configuration.unsubscribe(
      {call->context(), late}, {}, request.id(), [call, &request, &response](const Result<void>& result) {
        call->answer([&](auto&) {
          response.set_ok(result.has_value());
          if (!result) {
            const bool unknown = result.error().code == Code::kNotFound;
            response.set_message(fmt::format("failed to unsubscribe to configuration request {}: {}", request.id(),
                                             unknown ? "subscription does not exist" : result.error().message));
          }
          return ::grpc::Status::OK;
        });
      });
}

}  // namespace tandem::api::grpc
