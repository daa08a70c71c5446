#include "components/state/postgresql/statement_layout.h"

namespace tandem::components {

using postgresql::Statement;
using postgresql::Value;

Result<Statement> StatementLayout::set(const state::SetRequest& request, Guard guard) const {
  Statement statement{nullptr, {request.key}};
  for (Value& value : values_of(request)) statement.values.push_back(std::move(value));
  if (has_etag(request.etag)) {
    Result<std::string> etag = checked_etag(*request.etag);
    if (!etag) return fail(std::move(etag.error()));
    statement.text = &pick(set_matching_, guard);
    statement.values.emplace_back(std::move(*etag));
  } else {
    statement.text = &pick(request.concurrency == state::Concurrency::kFirstWrite ? set_first_ : set_, guard);
  }
  return statement;
}

Result<Statement> StatementLayout::remove(const state::DeleteRequest& request, Guard guard) const {
  if (!has_etag(request.etag)) return Statement{&remove_.plain, {request.key}};
  Result<std::string> etag = checked_etag(*request.etag);
  if (!etag) return fail(std::move(etag.error()));
  return Statement{&pick(remove_matching_, guard), {request.key, std::move(*etag)}};
}

}  // namespace tandem::components
