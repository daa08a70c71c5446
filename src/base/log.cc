#include "base/log.h"

#include <fmt/format.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <iterator>
#include <mutex>
#include <vector>

#include "base/text.h"

namespace tandem {
namespace {

constexpr std::array<std::string_view, 8> kOwnKeys = {"app_id", "instance", "level", "msg",
                                                      "scope",  "time",     "type",  "ver"};

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  // 0: not valid UTF-8 here
};

CodePoint decode(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t length = first >= 0xf0 && first <= 0xf4  ? 4
                       : first >= 0xe0 && first < 0xf0 ? 3
                       : first >= 0xc2 && first < 0xe0 ? 2
                                                       : 0;
  if (length == 0 || text.size() < length) return {};
  std::uint32_t value = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3fU);
  }
  bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
  return {value, length};
}

// What must not reach a terminal or a line-based reader as it is.
bool must_escape(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// The inside of a quoted value. Text format follows Go's %q, JSON its own rules.
void append_escaped(std::string& out, std::string_view text, LogFormat format) {
  while (!text.empty()) {
    char c = text[0];
    auto point = decode(text);
    if (point.length == 0) {
      if (format == LogFormat::kJson) {
        out += "\\ufffd";
      } else {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
      }
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (must_escape(point.value)) {
      bool short_form = format == LogFormat::kText && point.value < 0x80;
      fmt::format_to(std::back_inserter(out), fmt::runtime(short_form ? "\\x{:02x}" : "\\u{:04x}"), point.value);
    } else {
      out.append(text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
}

bool needs_quotes(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                 c == '_' || c == '/' || c == '@' || c == '^' || c == '+';
    return !plain;
  });
}

void append_value(std::string& out, std::string_view text, std::size_t limit, LogFormat format) {
  bool cut = text.size() > limit;
  if (cut) {
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0U) == 0x80) --limit;  // not inside a character
    text = text.substr(0, limit);
  }
  bool quoted = format == LogFormat::kJson || cut || needs_quotes(text);
  if (quoted) out += '"';
  append_escaped(out, text, format);
  if (cut) out += "...";
  if (quoted) out += '"';
}

// A key is a plain word in both formats; anything else in it becomes "_", and one of ours gets a prefix.
std::string clean_key(std::string_view key) {
  constexpr std::size_t kMaxKeyBytes = 64;
  std::string out(key.substr(0, kMaxKeyBytes));
  for (char& c : out) {
    if (needs_quotes({&c, 1})) c = '_';
  }
  if (out.empty()) out = "_";
  if (std::find(kOwnKeys.begin(), kOwnKeys.end(), out) != kOwnKeys.end()) out = "fields." + out;
  return out;
}

std::string timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec);
}

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

}  // namespace

struct Logger::Output {
  Output(Options&& options)
      : level(options.level),
        format(options.format),
        version(std::move(options.version)),
        instance(options.instance.empty() ? machine_name() : std::move(options.instance)),
        fd(options.fd) {}

  void write(std::string_view line) {
    // A line longer than what the system writes at once must stay in one piece.
    std::lock_guard lock(mutex);
    while (!line.empty()) {
      ssize_t written = ::write(fd, line.data(), line.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      line.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  std::atomic<LogLevel> level;
  const LogFormat format;
  const std::string version;
  const std::string instance;
  const int fd;
  std::mutex mutex;
};

Result<LogLevel> parse_log_level(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "debug") return LogLevel::kDebug;
  if (lower == "info") return LogLevel::kInfo;
  if (lower == "warn" || lower == "warning") return LogLevel::kWarn;
  if (lower == "error") return LogLevel::kError;
  if (lower == "fatal") return LogLevel::kFatal;
  return fail(Code::kInvalidArgument, "unknown log level; it is one of debug, info, warn, error and fatal");
}

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kFatal: return "fatal";
  }
  return "unknown";
}

Logger::Logger(Options options) : app_id_(std::move(options.app_id)) {
  output_ = std::make_shared<Output>(std::move(options));
}

Logger Logger::for_app(std::string app_id) const {
  Logger other(*this);
  other.app_id_ = std::move(app_id);
  return other;
}

Logger Logger::with_level(LogLevel level) const {
  Logger other(*this);
  other.own_level_ = level;
  return other;
}

bool Logger::enabled(LogLevel level) const noexcept {
  return level >= own_level_.value_or(output_->level.load(std::memory_order_relaxed));
}

void Logger::set_level(LogLevel level) noexcept { output_->level.store(level, std::memory_order_relaxed); }

void Logger::log(LogLevel level, std::string_view scope, std::string_view message,
                 std::span<const LogField> fields) const noexcept {
  if (!enabled(level)) return;
  try {
    struct Entry {
      std::string key;
      std::string_view value;
      std::size_t limit;
      LogField::Kind kind = LogField::Kind::kText;
    };
    std::string time = timestamp();
    std::vector<Entry> entries;
    entries.reserve(fields.size() + kOwnKeys.size());
    for (const LogField& field : fields)
      entries.push_back({clean_key(field.key), field.value, kMaxValueBytes, field.kind});
    entries.push_back({"app_id", app_id_, kMaxValueBytes});
    entries.push_back({"instance", output_->instance, kMaxValueBytes});
    entries.push_back({"scope", scope, kMaxValueBytes});
    entries.push_back({"type", "log", kMaxValueBytes});
    entries.push_back({"ver", output_->version, kMaxValueBytes});
    bool json = output_->format == LogFormat::kJson;
    if (json) {
      entries.push_back({"level", log_level_name(level), kMaxValueBytes});
      entries.push_back({"msg", message, kMaxMessageBytes});
      entries.push_back({"time", time, kMaxValueBytes});
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });

    std::string line;
    line.reserve(256 + message.size());
    if (json) {
      line += '{';
    } else {
      fmt::format_to(std::back_inserter(line), "time=\"{}\" level={} msg=", time, log_level_name(level));
      append_value(line, message, kMaxMessageBytes, output_->format);
    }
    std::string_view last_key;
    for (const Entry& entry : entries) {
      if (json && entry.key == last_key) continue;  // a repeated key would make the object ambiguous
      last_key = entry.key;
      if (!json) {
        fmt::format_to(std::back_inserter(line), " {}=", entry.key);
      } else {
        fmt::format_to(std::back_inserter(line), "{}\"{}\":", line.size() > 1 ? "," : "", entry.key);
      }
      if (json && entry.kind == LogField::Kind::kNumber) {
        line += entry.value;
      } else {
        append_value(line, entry.value, entry.limit, output_->format);
      }
    }
    line += json ? "}\n" : "\n";
    output_->write(line);
  } catch (const std::exception&) {
    // Out of memory while logging: the line is lost, the program goes on.
  }
}

}  // namespace tandem
