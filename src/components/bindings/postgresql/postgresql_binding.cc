#include "components/bindings/postgresql/postgresql_binding.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_normal.h"
#include "components/bindings/postgresql/json_rows.h"
#include "components/postgresql/connection_metadata.h"
#include "config/duration.h"

namespace tandem::components {
namespace {

using bindings::InvokeAnswer;
using postgresql::Statement;
using postgresql::StatementText;
using postgresql::Value;
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

constexpr std::array<std::string_view, 3> kOperations = {"exec", "query", "close"};
constexpr std::size_t kMaxParameters = 65'535;  // of PostgreSQL's protocol

std::unexpected<Error> wrong(std::string message) { return fail(Code::kInvalidArgument, std::move(message)); }

// RFC 3339 with as many digits as there are.
std::string format_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string fraction = fmt::format(".{:09}", (time - seconds).count());
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}{}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     fraction == "." ? "" : fraction);
}

// PostgreSQL's text form of a JSON value; lists and objects stay JSON.
Result<Value> parameter(std::string_view json) {
  switch (json_kind(json)) {
    case JsonKind::kNull: return Value();
    case JsonKind::kString: {
      std::string text = json_text(json);
      if (text.contains('\0')) return wrong("a text of PostgreSQL has no zero byte");
      return Value(std::move(text));
    }
    default: break;
  }
  Result<std::string> text = normal_json(json);
  if (!text) return fail(std::move(text.error()));
  return Value(std::move(*text));
}

Result<std::vector<Value>> read_parameters(std::string_view text) {
  constexpr std::string_view kPrefix = "invalid metadata property params: failed to unserialize into an array: ";
  std::vector<Value> values;
  if (text.empty()) return values;
  const Result<std::string_view> json = parse_json(text);
  if (!json) return wrong(fmt::format("{}{}", kPrefix, json.error().message));
  if (json_kind(*json) == JsonKind::kNull) return values;
  if (json_kind(*json) != JsonKind::kArray) return wrong(fmt::format("{}it is no array", kPrefix));
  JsonElements elements(*json);
  std::string_view element;
  while (elements.next(element)) {
    Result<Value> value = parameter(element);
    if (!value) return wrong(fmt::format("{}{}", kPrefix, value.error().message));
    values.push_back(std::move(*value));
    if (values.size() > kMaxParameters) return wrong(fmt::format("{}there are too many", kPrefix));
  }
  return values;
}

Result<Statement> statement_of(const Metadata& metadata) {
  const auto said = [&](std::string_view name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? std::string_view() : std::string_view(found->second);
  };
  const std::string_view sql = said("sql");
  if (sql.empty()) return wrong("required metadata not set: sql");
  if (sql.contains('\0')) return wrong("sql: a statement has no zero byte");
  Result<std::vector<Value>> values = read_parameters(said("params"));
  if (!values) return fail(std::move(values.error()));
  auto text = std::make_shared<const StatementText>(
      StatementText{.name = {},
                    .sql = std::string(sql),
                    .types = std::vector<postgresql::Type>(values->size(), postgresql::Type::kUnsaid)});
  return Statement{.text = text.get(), .values = std::move(*values), .owned = text};
}

Result<InvokeAnswer> answer_of(std::string operation, const std::string& sql, WallTime started,
                               postgresql::JsonRows& rows, postgresql::Outcome outcome) {
  if (outcome.failure) {
    // What was refused here, not there.
    if (outcome.failure->error.code == Code::kInvalidArgument) return fail(std::move(outcome.failure->error));
    return fail(outcome.failure->error.code, "error executing query: " + outcome.failure->error.message);
  }
  if (outcome.rows.empty()) return fail(Code::kInternal, "error executing query: PostgreSQL has not answered it");
  InvokeAnswer answer{.data = share(std::string())};
  if (operation == "query") {
    Result<std::string> json = rows.finish();
    if (!json) return fail(std::move(json.error()));
    answer.data = share(std::move(*json));
  } else {
    answer.metadata.emplace("rows-affected", fmt::format("{}", outcome.rows.front().affected()));
  }
  const WallTime ended = std::chrono::system_clock::now();
  answer.metadata.emplace("operation", std::move(operation));
  answer.metadata.emplace("sql", sql);
  answer.metadata.emplace("start-time", format_time(started));
  answer.metadata.emplace("end-time", format_time(ended));
  answer.metadata.emplace("duration", config::format_duration(ended - started));
  return answer;
}

}  // namespace

Result<std::unique_ptr<PostgresqlBinding>> PostgresqlBinding::open(const config::MetadataReader& metadata,
                                                                   SteadyTime deadline,
                                                                   postgresql::Client::Report report) {
  const Result<postgresql::ConnectionOptions> options = postgresql::read_connection_options(metadata);
  if (!options) return fail(options.error());
  Result<postgresql::ConnectionSettings> settings = postgresql::make_settings(*options);
  if (!settings) return fail(std::move(settings.error()));
  if (settings->mode == postgresql::QueryMode::kSimple) {
    return wrong("queryExecMode: simple_protocol is not supported here; exec is for poolers too");
  }
  std::unique_ptr<PostgresqlBinding> binding(new PostgresqlBinding(std::move(*settings), std::move(report)));
  const auto text = std::make_shared<const StatementText>(StatementText{.name = {}, .sql = "SELECT 1", .types = {}});
  postgresql::Batch question{.effect = postgresql::Effect::kReads};
  question.statements.push_back({.text = text.get(), .values = {}, .owned = text});
  const postgresql::Outcome outcome = binding->client_.run_and_wait(std::move(question), deadline);
  if (outcome.failure)
    return fail(outcome.failure->error.code, "failed to ping the DB: " + outcome.failure->error.message);
  return binding;
}

std::span<const std::string_view> PostgresqlBinding::operations() const { return kOperations; }

void PostgresqlBinding::close_for(const std::string& app) {
  const std::lock_guard lock(mutex_);
  closed_for_.insert(app);
}

bool PostgresqlBinding::is_closed_for(const std::string& app) const {
  const std::lock_guard lock(mutex_);
  return closed_for_.contains(app);
}

void PostgresqlBinding::invoke(const CallContext& context, bindings::InvokeRequest request,
                               Completion<InvokeAnswer> done) {
  if (request.operation == "close") {
    // Connections that idle go by themselves, and the rest with the component.
    close_for(context.app_id);
    return done(InvokeAnswer{});
  }
  if (is_closed_for(context.app_id)) return done(fail(Code::kFailedPrecondition, "component is closed"));
  Result<Statement> statement = statement_of(request.metadata);
  if (!statement) return done(fail(std::move(statement.error())));
  const std::string sql = statement->text->sql;
  // On a connection of its own for that time, so that nothing it begins is about anybody else.
  postgresql::Batch batch{.effect = postgresql::Effect::kWrites, .pace = postgresql::Pace::kLong};
  batch.statements.push_back(std::move(*statement));
  // A row at a time: what is too much is known before it is all here. Without a use for them they are only read over.
  const auto rows = std::make_shared<postgresql::JsonRows>(kMaxAnswerBytes);
  const bool wanted = request.operation == "query";
  batch.each_row = [rows, wanted](const postgresql::Rows& row) { return wanted ? rows->add(row) : Status(); };
  const SteadyTime latest = std::chrono::steady_clock::now() + client_.settings().timeout;
  client_.run(std::move(batch), std::min(context.deadline, latest),
              [operation = std::move(request.operation), sql, started = WallTime(std::chrono::system_clock::now()),
               rows, done = std::move(done)](postgresql::Outcome outcome) mutable {
                done(answer_of(std::move(operation), sql, started, *rows, std::move(outcome)));
              });
}

}  // namespace tandem::components
