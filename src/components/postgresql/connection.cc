#include "components/postgresql/connection.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "components/postgresql/simple_query.h"
#include "net/resolver.h"

namespace tandem::components::postgresql {
namespace {

using Clock = std::chrono::steady_clock;

// Batches on their way at once. More would only wait at the server, where they cannot move to another connection.
constexpr std::size_t kMaxLoad = 256;
// A server that is late and has said nothing for so long is stuck with this connection.
constexpr std::chrono::seconds kSilence{1};

// libpq's message on one line, each sentence once.
std::string one_line(const char* message) {
  std::string text;
  std::string_view rest(message);
  std::vector<std::string_view> seen;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!line.empty() && (line.front() == '\t' || line.front() == ' ')) line.remove_prefix(1);
    if (line.empty() || std::ranges::find(seen, line) != seen.end()) continue;
    seen.push_back(line);
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text;
}

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value != nullptr ? value : "";
}

bool is_path(std::string_view host) { return host.empty() || host.front() == '/' || host.front() == '@'; }

bool in_binary(Type type) { return type == Type::kBytea || type == Type::kText; }

}  // namespace

Connection::Connection(net::Worker& worker, const ConnectionSettings& settings, Owner& owner)
    : worker_(worker), settings_(settings), owner_(owner) {}

Connection::~Connection() = default;

// ---- connecting

void Connection::try_server(std::size_t index) {
  server_ = index;
  const Server& server = settings_.servers[index];
  connect_deadline_ = Clock::now() + settings_.connect_timeout;
  addresses_.clear();
  if (!server.address.empty() || is_path(server.host)) {
    addresses_.push_back(server.address);
    return try_address();
  }
  worker_.resolver().resolve(server.host, settings_.connect_timeout, worker_,
                             [this, alive = std::weak_ptr(alive_)](Result<net::Addresses> found) {
                               if (alive.expired() || phase_ != Phase::kConnecting) return;
                               if (!found) return next_address(found.error().message);
                               for (const auto& address : *found) addresses_.push_back(address.to_string());
                               try_address();
                             });
}

void Connection::try_address() {
  const Server& server = settings_.servers[server_];
  const std::string address = std::move(addresses_.front());
  addresses_.pop_front();
  connect_deadline_ = Clock::now() + settings_.connect_timeout;
  reached_by_.clear();
  const auto put = [&](const std::string& word, const std::string& value) {
    if (!value.empty()) reached_by_.emplace_back(word, value);
  };
  for (const auto& [word, value] : settings_.parameters) put(word, value);
  put("host", server.host);
  put("hostaddr", address);
  put("port", server.port);
  std::vector<const char*> words, values;
  for (const auto& [word, value] : reached_by_) {
    words.push_back(word.c_str());
    values.push_back(value.c_str());
  }
  words.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(words.data(), values.data(), 0));
  if (connection_ == nullptr) return next_address("out of memory");
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return next_address(one_line(PQerrorMessage(connection_.get())));
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  wait_connecting(PGRES_POLLING_WRITING);
}

void Connection::wait_connecting(PostgresPollingStatusType what) {
  // libpq may have closed its socket and opened another.
  Result<std::unique_ptr<net::FdWatch>> watch = net::FdWatch::open(worker_, PQsocket(connection_.get()));
  if (!watch) return next_address(watch.error().message);
  watch_ = std::move(*watch);
  Completion<void> then = [this](Status status) {
    if (!status)
      return next_address("no connection within " + std::to_string(settings_.connect_timeout.count()) + " ms");
    const PostgresPollingStatusType next = PQconnectPoll(connection_.get());
    if (next == PGRES_POLLING_OK) return opened();
    if (next == PGRES_POLLING_FAILED) return next_address(one_line(PQerrorMessage(connection_.get())));
    wait_connecting(next);
  };
  if (what == PGRES_POLLING_READING) {
    watch_->wait_readable(connect_deadline_, std::move(then));
  } else {
    watch_->wait_writable(connect_deadline_, std::move(then));
  }
}

void Connection::next_address(std::string why) {
  if (first_failure_.empty()) first_failure_ = std::move(why);
  watch_.reset();
  connection_.reset();
  if (!addresses_.empty()) return try_address();
  if (server_ + 1 < settings_.servers.size()) return try_server(server_ + 1);
  end(make_error(Code::kUnavailable, "cannot connect to PostgreSQL at " + settings_.shown + ": " + first_failure_));
}

void Connection::opened() {
  const bool ready = PQsetnonblocking(connection_.get(), 1) == 0 &&
                     (settings_.mode == QueryMode::kSimple || PQenterPipelineMode(connection_.get()) == 1);
  Result<std::unique_ptr<net::FdWatch>> watch = net::FdWatch::open(worker_, PQsocket(connection_.get()));
  if (!ready || !watch)
    return next_address(ready ? watch.error().message : one_line(PQerrorMessage(connection_.get())));
  watch_ = std::move(*watch);
  phase_ = Phase::kOpen;
  opened_at_ = heard_at_ = Clock::now();
  rest();
  listen();
  owner_.on_open(*this);
}

// ---- sending

bool Connection::takes(const Job& job) const {
  if (phase_ != Phase::kOpen || retired_) return false;
  if (jobs_.empty()) return true;
  if (settings_.mode == QueryMode::kSimple || job.batch.pace == Pace::kLong) return false;
  return jobs_.size() < kMaxLoad && jobs_.front()->batch.pace != Pace::kLong;
}

void Connection::send(std::unique_ptr<Job> job) {
  std::optional<std::string> text;
  if (settings_.mode == QueryMode::kSimple) {
    text = simple_query(connection_.get(), job->batch);
    // A value that is no text in the connection's encoding; the server would say the same.
    if (!text) {
      return job->fail_with(
          make_error(Code::kInternal, "ERROR: invalid byte sequence for encoding \"UTF8\" (SQLSTATE 22021)"));
    }
  }
  worker_.timeouts().disarm(*this);
  job->sent_at = Clock::now();
  const Job& sent = *job;
  jobs_.push_back(std::move(job));
  if (!(text ? push_text(sent, *text) : push(sent))) return end(lost(PQerrorMessage(connection_.get())));
  flush();
}

bool Connection::push(const Job& job) {
  for (const Statement& statement : job.batch.statements) {
    if (!push_statement(statement)) return false;
  }
  // It is the only one that the connection has, so that this is about it.
  if (job.batch.each_row) PQsetSingleRowMode(connection_.get());
  expected_.push_back({Step::kCommit});
  return PQpipelineSync(connection_.get()) == 1;
}

bool Connection::push_statement(const Statement& statement) {
  PGconn* const connection = connection_.get();
  const StatementText& text = *statement.text;
  const int count = static_cast<int>(statement.values.size());
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (std::size_t i = 0; i < statement.values.size(); ++i) {
    const Value& value = statement.values[i];
    types.push_back(static_cast<Oid>(text.types[i]));
    values.push_back(value ? value->data() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
    formats.push_back(in_binary(text.types[i]) ? 1 : 0);
  }
  if (settings_.mode == QueryMode::kUnprepared || text.name.empty()) {
    expected_.push_back({Step::kRun});
    return PQsendQueryParams(connection, text.sql.c_str(), count, types.data(), values.data(), lengths.data(),
                             formats.data(), 1) == 1;
  }
  if (prepared_.insert(text.name).second) {
    expected_.push_back({Step::kPrepare, text.name});
    if (PQsendPrepare(connection, text.name.c_str(), text.sql.c_str(), count, types.data()) != 1) return false;
  }
  expected_.push_back({Step::kRun});
  return PQsendQueryPrepared(connection, text.name.c_str(), count, values.data(), lengths.data(), formats.data(), 1) ==
         1;
}

bool Connection::push_text(const Job& job, const std::string& text) {
  expected_.insert(expected_.end(), job.batch.statements.size(), {Step::kRun});
  return PQsendQuery(connection_.get(), text.c_str()) == 1;
}

void Connection::flush() {
  if (flushing_) return;
  const int left = PQflush(connection_.get());
  if (left < 0) return end(lost(PQerrorMessage(connection_.get())));
  if (left == 0) return;
  flushing_ = true;
  watch_->wait_writable(SteadyTime::max(), [this](Status) {
    flushing_ = false;
    // The server may wait for us to read before it reads on.
    receive();
    if (phase_ == Phase::kOpen) flush();
  });
}

// ---- receiving

void Connection::listen() {
  watch_->wait_readable(SteadyTime::max(), [this](Status) {
    receive();
    if (phase_ == Phase::kOpen) listen();
  });
}

void Connection::receive() {
  const std::size_t before = jobs_.size();
  const bool alive = PQconsumeInput(connection_.get()) == 1;
  take_results();
  if (phase_ != Phase::kOpen) return;
  if (!alive) return end(lost(PQerrorMessage(connection_.get())));
  if (jobs_.size() < before) rest();
  if (phase_ == Phase::kOpen && jobs_.size() < before) owner_.on_progress(*this);
}

void Connection::take_results() {
  // A null stands between the results of two statements; two in a row mean that there is nothing more.
  for (int nulls = 0; nulls < 2 && phase_ == Phase::kOpen && PQisBusy(connection_.get()) == 0;) {
    PGresult* const result = PQgetResult(connection_.get());
    if (result != nullptr) {
      nulls = 0;
      take_result(result);
    } else {
      ++nulls;
      if (settings_.mode == QueryMode::kSimple && !jobs_.empty()) finish_job();
    }
  }
}

void Connection::take_result(PGresult* result) {
  Rows rows(result);
  heard_at_ = Clock::now();
  const ExecStatusType status = PQresultStatus(result);
  if (jobs_.empty() || (expected_.empty() && status != PGRES_FATAL_ERROR)) {
    return end(lost(status == PGRES_FATAL_ERROR ? PQresultErrorMessage(result) : "an answer that nobody asked for"));
  }
  Job& job = *jobs_.front();
  switch (status) {
    case PGRES_PIPELINE_SYNC: return finish_job();
    case PGRES_SINGLE_TUPLE: return take_row(job, rows);
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
      take_row(job, rows);
      if (expected_.front().step == Step::kRun) job.outcome.rows.push_back(std::move(rows));
      break;
    case PGRES_PIPELINE_ABORTED:
      if (expected_.front().step == Step::kPrepare) prepared_.erase(expected_.front().prepared);
      break;
    case PGRES_FATAL_ERROR: return take_error(result);
    default: return end(lost("an answer of an unknown kind"));
  }
  expected_.pop_front();
}

void Connection::take_row(Job& job, const Rows& row) {
  // What was given up, or comes too late, is read over.
  if (job.answered() || !job.batch.each_row || row.size() == 0) return;
  job.gave_rows = true;
  Status taken = job.batch.each_row(row);
  if (taken) return;
  job.fail_with(std::move(taken.error()));
  interrupt(job);
}

void Connection::take_error(PGresult* result) {
  const std::string severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  // Nothing further comes: the server ends the session, or is gone.
  if (severity != "ERROR") return end(lost(message.empty() ? PQresultErrorMessage(result) : message));
  Job& job = *jobs_.front();
  if (!job.outcome.failure) {
    job.outcome.failure =
        Failure{.error = make_error(Code::kInternal, "ERROR: " + message + " (SQLSTATE " + sqlstate + ")"),
                .sqlstate = sqlstate,
                .statement = job.outcome.rows.size()};
  }
  // A plan that does not fit any more, a statement that somebody else has removed: a new connection starts afresh.
  for (const char* stale : {"0A000", "26000", "42P05"}) retired_ = retired_ || sqlstate == stale;
  if (expected_.empty() || expected_.front().step == Step::kCommit) return;
  if (expected_.front().step == Step::kPrepare) prepared_.erase(expected_.front().prepared);
  expected_.pop_front();
}

void Connection::finish_job() {
  // Statements after a failed one of a simple query have no answer.
  if (settings_.mode == QueryMode::kSimple) {
    expected_.clear();
  } else {
    expected_.pop_front();
  }
  std::unique_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  if (job->outcome.failure) job->outcome.rows.clear();
  if (!job->answered() && cancelled_ && job->outcome.failure && job->outcome.failure->sqlstate == kCancelled &&
      !job->sent_again && !job->gave_rows) {
    // Meant for the one before it.
    job->outcome = {};
    job->sent_again = true;
    return owner_.on_undone(std::move(job));
  }
  job->answer(std::move(job->outcome));
}

// ---- its end

bool Connection::on_late(const Job& job) {
  const auto found = std::ranges::find(jobs_, &job, &std::unique_ptr<Job>::get);
  if (found == jobs_.end()) return false;
  if (job.batch.effect == Effect::kWrites) interrupt(job);
  if (phase_ == Phase::kEnded) return true;
  if (heard_at_ <= job.sent_at || Clock::now() - heard_at_ > kSilence) retire();
  return true;
}

void Connection::interrupt(const Job& job) {
  if (jobs_.front().get() == &job) {
    cancelled_ = true;
    return interruption_.cancel_statement(*connection_);
  }
  // The server has not come to it, and must not: whoever asked may write the same key by another connection now.
  interruption_.end_session(reached_by_, PQbackendPID(connection_.get()));
  retired_ = true;
}

void Connection::retire() {
  retired_ = true;
  const bool all_answered = std::ranges::all_of(jobs_, [](const auto& job) { return job->answered(); });
  if (all_answered) end(make_error(Code::kUnavailable, "PostgreSQL at " + settings_.shown + " does not answer"));
}

void Connection::rest() {
  if (!jobs_.empty()) return;
  // A statement of a user's own may have begun a transaction: it ends with the session.
  const PGTransactionStatusType transaction = PQtransactionStatus(connection_.get());
  retired_ = retired_ || transaction == PQTRANS_INTRANS || transaction == PQTRANS_INERROR;
  const SteadyTime now = Clock::now();
  const SteadyTime too_old = opened_at_ + settings_.max_lifetime;
  if (retired_ || now >= too_old) return retire();
  worker_.timeouts().arm(*this, std::min(now + settings_.max_idle, too_old));
}

void Connection::on_timeout() { retire(); }

Error Connection::lost(std::string_view why) const {
  return make_error(Code::kUnavailable, "the connection to PostgreSQL at " + settings_.shown +
                                            " broke: " + one_line(std::string(why).c_str()));
}

void Connection::abandon(const Error& why) {
  for (const std::unique_ptr<Job>& job : jobs_) job->fail_with(why);
}

void Connection::end(Error why) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  worker_.timeouts().disarm(*this);
  watch_.reset();
  connection_.reset();
  expected_.clear();
  std::vector<std::unique_ptr<Job>> unanswered;
  for (std::unique_ptr<Job>& job : jobs_) {
    job->outcome = {};
    if (!job->answered()) unanswered.push_back(std::move(job));
  }
  jobs_.clear();
  owner_.on_end(*this, std::move(why), std::move(unanswered));
}

}  // namespace tandem::components::postgresql
