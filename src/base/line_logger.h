// LineLogger: turns a stream of bytes, such as a guest's standard output, into log lines.
//
// Whoever hosts the guest owns one a stream. One thread at a time. A line ends at '\n' (with or without '\r') and is
// logged when it does; one longer than kMaxLineBytes is logged in pieces of that size, so memory is bounded. Never
// throws.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/log.h"

namespace tandem {

class LineLogger final {
 public:
  static constexpr std::size_t kMaxLineBytes = 8 * 1024;

  // `stream` is the field that names it: "stdout", "stderr".
  LineLogger(const Logger& logger, LogLevel level, std::string scope, std::string stream);
  // Logs what is left without a line end.
  ~LineLogger();
  LineLogger(const LineLogger&) = delete;
  LineLogger& operator=(const LineLogger&) = delete;

  // The trace id that the following lines belong to; empty for none.
  void set_trace_id(std::string_view trace_id);
  void write(std::string_view bytes) noexcept;
  void flush() noexcept;

 private:
  void emit(std::string_view line) noexcept;

  const Logger& logger_;
  const LogLevel level_;
  const std::string scope_;
  const std::string stream_;
  std::string trace_id_;
  std::string partial_;
};

}  // namespace tandem
