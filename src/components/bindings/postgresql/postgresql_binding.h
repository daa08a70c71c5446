// bindings.postgresql: statements (exec) and queries (query) of SQL on a PostgreSQL database; close, which ends the
// component's use by the app that calls it, as if each app had a daprd of its own.
//
// The metadata `sql` is one statement, `params` a JSON list of what stands for $1, $2 …: the server finds out what type
// each has. A query's rows come back as JSON (json_rows.h). Calls from any thread; a completion comes on the client's.
// Source: https://docs.dapr.io/reference/components-reference/supported-bindings/postgresql/.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "blocks/bindings/output_binding.h"
#include "components/postgresql/client.h"
#include "config/component_metadata.h"

namespace tandem::components {

class PostgresqlBinding final : public bindings::OutputBinding {
 public:
  static constexpr std::size_t kMaxAnswerBytes = std::size_t{100} << 20;  // of a query's rows

  // Asks the server something, so that a wrong address or password is known now. `report` as for postgresql::Client.
  // Fails with kInvalidArgument for metadata, among them a queryExecMode of text alone: it would make a parameter part
  // of the statement.
  static Result<std::unique_ptr<PostgresqlBinding>> open(const config::MetadataReader& metadata, SteadyTime deadline,
                                                         postgresql::Client::Report report);

  std::span<const std::string_view> operations() const override;
  void invoke(const CallContext& context, bindings::InvokeRequest request,
              Completion<bindings::InvokeAnswer> done) override;
  void close(SteadyTime deadline) override { client_.close(deadline); }

 private:
  PostgresqlBinding(postgresql::ConnectionSettings settings, postgresql::Client::Report report)
      : client_(std::move(settings), std::move(report)) {}

  void close_for(const std::string& app);
  bool is_closed_for(const std::string& app) const;

  postgresql::Client client_;
  mutable std::mutex mutex_;
  std::set<std::string> closed_for_;  // apps, by the operation of that name
};

}  // namespace tandem::components
