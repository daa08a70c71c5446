// Logger: structured log lines with Dapr's fields, as text or JSON, one write(2) a line to standard output (as daprd
// does).
//
//   time="2026-11-22T19:42:42.123456789Z" level=info msg="app is ready" app_id=orders instance=host
//   scope=tandem.runtime type=log ver=0.1.0
//
// main.cc owns the first one; for_app() gives one an app, with the same output and level. Passed by reference. Any
// thread. Nothing in a message or a field can start a new line or field, or steer a terminal: control characters,
// invalid UTF-8 and invisible text direction marks are escaped. Never throws; a line that cannot be written is lost.
#pragma once

#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kFatal };

// "debug", "info", "warn" or "warning", "error", "fatal", any case.
Result<LogLevel> parse_log_level(std::string_view text);
// As Dapr prints it: "warning" for kWarn.
std::string_view log_level_name(LogLevel level);

enum class LogFormat { kText, kJson };

struct LogField {
  std::string_view key;
  std::string_view value;
  // kNumber: `value` is a number as JSON writes it, and has no quotes there.
  enum class Kind { kText, kNumber } kind = Kind::kText;
};

class Logger final {
 public:
  // Longer ones are cut there and end in "...".
  static constexpr std::size_t kMaxMessageBytes = 64 * 1024;
  static constexpr std::size_t kMaxValueBytes = 8 * 1024;

  struct Options {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kText;
    std::string app_id;
    std::string version;
    std::string instance;  // empty: this machine's name
    int fd = 1;            // not closed
  };

  explicit Logger(Options options);

  // The same output and level (also when it changes later), another app id.
  Logger for_app(std::string app_id) const;
  // The same output and app id, but this level, whatever that of the others is or becomes.
  Logger with_level(LogLevel level) const;

  bool enabled(LogLevel level) const noexcept;
  void set_level(LogLevel level) noexcept;

  void debug(std::string_view scope, std::string_view message,
             std::initializer_list<LogField> fields = {}) const noexcept {
    log(LogLevel::kDebug, scope, message, fields);
  }
  void info(std::string_view scope, std::string_view message,
            std::initializer_list<LogField> fields = {}) const noexcept {
    log(LogLevel::kInfo, scope, message, fields);
  }
  void warn(std::string_view scope, std::string_view message,
            std::initializer_list<LogField> fields = {}) const noexcept {
    log(LogLevel::kWarn, scope, message, fields);
  }
  void error(std::string_view scope, std::string_view message,
             std::initializer_list<LogField> fields = {}) const noexcept {
    log(LogLevel::kError, scope, message, fields);
  }
  // Only a line: the caller ends the process.
  void fatal(std::string_view scope, std::string_view message,
             std::initializer_list<LogField> fields = {}) const noexcept {
    log(LogLevel::kFatal, scope, message, fields);
  }
  void log(LogLevel level, std::string_view scope, std::string_view message,
           std::span<const LogField> fields) const noexcept;
  void log(LogLevel level, std::string_view scope, std::string_view message,
           std::initializer_list<LogField> fields) const noexcept {
    log(level, scope, message, std::span(fields.begin(), fields.size()));
  }

 private:
  struct Output;

  std::shared_ptr<Output> output_;
  std::string app_id_;
  std::optional<LogLevel> own_level_;
};

}  // namespace tandem
