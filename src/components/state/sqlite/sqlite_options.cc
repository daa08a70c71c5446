#include "components/state/sqlite/sqlite_options.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/percent.h"
#include "base/text.h"

namespace tandem::components {
namespace {

bool is_identifier(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

Status check_pragma(const std::string& pragma) {
  const std::string name = to_lower(pragma);
  const std::pair<std::string_view, std::string_view> reserved[] = {
      {"busy_timeout", "; please use the `busyTimeout` metadata property instead"},
      {"journal_mode", "; please use the `disableWAL` metadata property instead"},
      {"foreign_keys", ""}};
  for (const auto& [forbidden, advice] : reserved) {
    if (name.starts_with(forbidden)) {
      return fail(Code::kInvalidArgument,
                  "connectionString: found forbidden option '_pragma=" + std::string(forbidden) +
                      "' in the connection string" + std::string(advice));
    }
  }
  // One pragma is one statement.
  if (pragma.empty() || pragma.find(';') != std::string::npos) {
    return fail(Code::kInvalidArgument, "connectionString: '_pragma=" + pragma + "' is not a pragma");
  }
  return {};
}

}  // namespace

Result<SqliteTarget> check_options(const SqliteOptions& options) {
  if (options.connection_string.empty()) return fail(Code::kInvalidArgument, "connectionString: missing");
  if (options.timeout < std::chrono::seconds(1)) {
    return fail(Code::kInvalidArgument, "timeout: must be at least 1s");
  }
  for (const auto& [key, name] : {std::pair<std::string_view, const std::string&>("tableName", options.table_name),
                                  {"metadataTableName", options.metadata_table_name}}) {
    if (!is_identifier(name)) {
      return fail(Code::kInvalidArgument,
                  std::string(key) + ": invalid identifier: " + name + " (letters, digits and underscores only)");
    }
  }

  SqliteTarget target;
  target.file.vfs = options.vfs;
  const std::string& text = options.connection_string;
  const std::string lowered = to_lower(text);
  target.in_memory = lowered.starts_with(":memory:") || lowered.starts_with("file::memory:");
  const std::size_t question = text.find('?');
  std::string_view query =
      question == std::string::npos ? std::string_view() : std::string_view(text).substr(question + 1);
  bool mode_seen = false;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string name = percent_decode_leniently(item.substr(0, equals), Plus::kSpace);
    const std::string value = percent_decode_leniently(item.substr(std::min(equals + 1, item.size())), Plus::kSpace);
    if (name == "_pragma") {
      if (Status status = check_pragma(value); !status) return fail(std::move(status.error()));
      target.pragmas.push_back(value);
    } else if (name == "mode" && !mode_seen) {
      mode_seen = true;
      if (value == "ro") target.file.read_only = true;
      if (value == "memory") target.in_memory = true;
    } else if (name == "immutable" && value == "1") {
      target.file.read_only = true;
    }
  }

  if (target.in_memory) {
    target.file.location = ":memory:";
    target.file.read_only = false;
  } else {
    const bool has_scheme = lowered.starts_with("file:");
    // A plain path is taken literally, whatever characters are in it.
    target.file.uri = has_scheme || question != std::string::npos;
    target.file.location = target.file.uri && !has_scheme ? "file:" + text : text;
  }
  return target;
}

}  // namespace tandem::components
