#include "components/postgresql/interruption.h"

#include <pthread.h>

#include <array>
#include <system_error>
#include <thread>

namespace tandem::components::postgresql {
namespace {

constexpr int kMaxThreads = 4;  // of one session
constexpr char kConnectSeconds[] = "5";

template <class Work>
void on_a_thread(std::shared_ptr<std::atomic<int>> under_way, Work work) {
  try {
    std::thread([under_way, work = std::move(work)]() mutable noexcept {
      ::pthread_setname_np(::pthread_self(), "pg-interrupt");
      work();
      under_way->fetch_sub(1);
    }).detach();
  } catch (const std::system_error&) {
    under_way->fetch_sub(1);
  }
}

}  // namespace

bool Interruption::begin() const {
  if (under_way_->fetch_add(1) < kMaxThreads) return true;
  under_way_->fetch_sub(1);
  return false;
}

void Interruption::cancel_statement(PGconn& session) {
  struct Free {
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  };
  std::unique_ptr<PGcancel, Free> cancel(PQgetCancel(&session));
  if (cancel == nullptr || !begin()) return;
  on_a_thread(under_way_, [cancel = std::move(cancel)]() mutable {
    std::array<char, 256> why{};
    PQcancel(cancel.get(), why.data(), static_cast<int>(why.size()));
  });
}

void Interruption::end_session(Parameters parameters, int session) {
  if (session == 0 || !begin()) return;
  on_a_thread(under_way_, [parameters = std::move(parameters), pid = std::to_string(session)]() mutable {
    std::vector<const char*> words, values;
    for (const auto& [word, value] : parameters) {
      words.push_back(word.c_str());
      values.push_back(value.c_str());
    }
    words.push_back("connect_timeout");
    values.push_back(kConnectSeconds);
    words.push_back(nullptr);
    values.push_back(nullptr);
    PGconn* const connection = PQconnectdbParams(words.data(), values.data(), 0);
    if (connection != nullptr && PQstatus(connection) == CONNECTION_OK) {
      const char* const value = pid.c_str();
      PQclear(
          PQexecParams(connection, "SELECT pg_terminate_backend($1::int)", 1, nullptr, &value, nullptr, nullptr, 0));
    }
    if (connection != nullptr) PQfinish(connection);
  });
}

}  // namespace tandem::components::postgresql
