// What the two layouts have in common: statements that are made once, picked by a request's ETag and concurrency, and
// filled with its values. A layout fills in the texts in its constructor and says what its values and ETags are.
// As PostgresqlLayout: made once a store, immutable; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "components/state/postgresql/layout.h"

namespace tandem::components {

class StatementLayout : public PostgresqlLayout {
 public:
  postgresql::Statement get(std::string_view key) const final { return {&get_, {std::string(key)}}; }
  postgresql::Statement get_all(const std::vector<std::string>& keys) const final {
    return {&get_all_, {postgresql::array_literal(keys)}};
  }
  postgresql::Statement list(const state::ListRequest& request) const final { return list_statement(list_, request); }

  Result<postgresql::Statement> set(const state::SetRequest& request, Guard guard) const final;
  Result<postgresql::Statement> remove(const state::DeleteRequest& request, Guard guard) const final;

  postgresql::Statement migrate() const final { return {&migrate_, {}}; }
  postgresql::Statement remove_expired() const final { return {&remove_expired_, {}}; }

 protected:
  // The first values of a write's statement, the key before them, the ETag behind them.
  virtual std::vector<postgresql::Value> values_of(const state::SetRequest& request) const = 0;
  // As the statements take it. Fails for what is no ETag of this layout.
  virtual Result<std::string> checked_etag(const std::string& etag) const = 0;

  // Seconds from now; null: for ever.
  static postgresql::Value expiry_of(const state::SetRequest& request) {
    if (request.ttl_seconds.value_or(0) <= 0) return std::nullopt;
    return std::to_string(*request.ttl_seconds);
  }

  postgresql::StatementText get_, get_all_, list_, migrate_, claim_, remove_expired_;
  GuardedText set_, set_first_, set_matching_, remove_, remove_matching_;
};

}  // namespace tandem::components
