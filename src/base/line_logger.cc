#include "base/line_logger.h"

#include <algorithm>

namespace tandem {

LineLogger::LineLogger(const Logger& logger, LogLevel level, std::string scope, std::string stream)
    : logger_(logger), level_(level), scope_(std::move(scope)), stream_(std::move(stream)) {
  partial_.reserve(kMaxLineBytes);  // so that write() does not allocate
}

LineLogger::~LineLogger() { flush(); }

void LineLogger::set_trace_id(std::string_view trace_id) {
  if (trace_id_ != trace_id) trace_id_ = trace_id;
}

void LineLogger::write(std::string_view bytes) noexcept {
  if (!logger_.enabled(level_)) return;
  while (!bytes.empty()) {
    std::size_t end = bytes.find('\n');
    std::size_t take = std::min({end, bytes.size(), kMaxLineBytes - partial_.size()});
    partial_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (take == end) {
      bytes.remove_prefix(1);
      emit(partial_);
      partial_.clear();
    } else if (partial_.size() == kMaxLineBytes) {
      flush();
    }
  }
}

void LineLogger::flush() noexcept {
  if (partial_.empty()) return;
  emit(partial_);
  partial_.clear();
}

void LineLogger::emit(std::string_view line) noexcept {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (trace_id_.empty()) {
    logger_.log(level_, scope_, line, {{"stream", stream_}});
  } else {
    logger_.log(level_, scope_, line, {{"stream", stream_}, {"trace_id", trace_id_}});
  }
}

}  // namespace tandem
