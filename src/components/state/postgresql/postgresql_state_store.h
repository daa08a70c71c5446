// state.postgresql, versions 1 and 2: values in a PostgreSQL database that daprd can use at the same time
// (https://docs.dapr.io/reference/components-reference/supported-state-stores/setup-postgresql-v2/).
//
// One Client serves all workers. Any thread may call; completions run on the client's thread. A transaction is one
// round trip. When the server is away, requests fail with kUnavailable, or kDeadlineExceeded where it says nothing; the
// store recovers by itself. What failed so may have been written; what was acknowledged is committed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "blocks/state/state_store.h"
#include "components/postgresql/client.h"
#include "components/state/postgresql/layout.h"

namespace tandem::components {

enum class PostgresqlVersion { kV1, kV2 };

struct PostgresqlStateOptions {
  PostgresqlVersion version = PostgresqlVersion::kV2;
  postgresql::ConnectionOptions connection;
  // Names as they stand in SQL: "orders", "public.orders", "\"My Orders\"".
  std::string table_name = "state";  // v1
  std::string table_prefix;          // v2
  std::string metadata_table_name = "dapr_metadata";
  // Between two removals of expired rows; 0 or less: never.
  std::chrono::milliseconds cleanup_interval{3'600'000};
};

class PostgresqlStateStore final : public state::Store {
 public:
  // Called with what went wrong in the background, on the client's thread.
  using Warn = std::function<void(const std::string&)>;

  // Connects, creates or migrates the tables. Blocks: not on a worker.
  static Result<std::unique_ptr<PostgresqlStateStore>> open(const PostgresqlStateOptions& options, Warn warn);
  ~PostgresqlStateStore() override;

  state::Features features() const override {
    return {.etag = true,
            .transactional = true,
            .ttl = true,
            .checked_options = {.remove = false, .transacted_remove = false}};
  }
  void ping(const CallContext& context, Completion<void> done) override;
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override;
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  void close(SteadyTime deadline) override;

 private:
  PostgresqlStateStore(postgresql::ConnectionSettings settings, std::unique_ptr<PostgresqlLayout> layout,
                       std::chrono::milliseconds cleanup_interval, Warn warn);
  Status migrate(const std::string& metadata_table);
  void clean_up_later();
  void clean_up();

  const std::unique_ptr<PostgresqlLayout> layout_;
  const std::chrono::milliseconds cleanup_interval_;
  const Warn warn_;
  const postgresql::StatementText ping_{"state_ping", "SELECT 1", {}};
  // Last: it ends its thread before what the thread uses goes.
  postgresql::Client client_;
};

}  // namespace tandem::components
