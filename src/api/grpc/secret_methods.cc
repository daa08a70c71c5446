#include "api/grpc/secret_methods.h"

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"

namespace tandem::api::grpc {

void get_secret(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::GetSecretRequest& request,
                wire::GetSecretResponse& response) {
  api.secrets.get({call->context(), late}, request.store_name(), request.key(), to_metadata(request.metadata()),
                  [call, &response](const Result<secrets::Secret>& secret) {
                    call->answer([&](auto&) {
                      if (!secret) return to_status(secret.error());
                      response.mutable_data()->insert(secret->begin(), secret->end());
                      return ::grpc::Status::OK;
                    });
                  });
}

void get_bulk_secret(const ApiOptions& api, Executor& late, const SharedCall& call,
                     const wire::GetBulkSecretRequest& request, wire::GetBulkSecretResponse& response) {
  api.secrets.bulk_get({call->context(), late}, request.store_name(), to_metadata(request.metadata()),
                       [call, &response](const Result<secrets::Secrets>& all) {
                         call->answer([&](auto&) {
                           if (!all) return to_status(all.error());
                           for (const auto& [name, secret] : *all) {
                             auto& data = *(*response.mutable_data())[name].mutable_secrets();
                             data.insert(secret.begin(), secret.end());
                           }
                           return ::grpc::Status::OK;
                         });
                       });
}

}  // namespace tandem::api::grpc
