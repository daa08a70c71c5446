// MapReader: typed reading of one YAML map, with a message and a line for everything that is not as it should be.
//
// Internal to config/. Made on the stack around a node that outlives it; getters report to Diagnostics and return
// nothing for a bad value, so reading goes on. Call finish() at the end: it reports the keys that nobody asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml.h"

namespace tandem::config {

enum class UnknownKeys {
  kWarn,    // Dapr's resources: Dapr ignores them; names match without regard to case, as in Go's JSON
  kRefuse,  // our own files: an error with a suggestion; names match exactly
  kIgnore,
};

class MapReader final {
 public:
  // `path` is where the map is, for messages: "spec.tracing"; empty at the top.
  // A node that is not a map (and not null) is reported here and reads as empty.
  MapReader(const YamlNode* node, std::string path, const std::string& file, Diagnostics& diagnostics,
            UnknownKeys unknown);

  // The value, or null when missing or YAML's null.
  const YamlNode* get(std::string_view key);
  bool has(std::string_view key) { return get(key) != nullptr; }

  std::optional<std::string> text(std::string_view key);
  std::string text_or(std::string_view key, std::string_view fallback);
  // Text that must be there and not empty.
  std::string required_text(std::string_view key);
  // One of `choices` (compared without regard to case), as the list spells it.
  std::optional<std::string> choice(std::string_view key, const std::vector<std::string_view>& choices);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  std::optional<double> number(std::string_view key);
  std::optional<std::chrono::nanoseconds> duration(std::string_view key);
  std::optional<std::uint64_t> quantity(std::string_view key);
  std::vector<std::string> texts(std::string_view key);
  std::map<std::string, std::string> text_map(std::string_view key);
  const YamlNode* map(std::string_view key);
  const YamlNode* sequence(std::string_view key);

  void finish();

  int line() const { return node_ ? node_->line : 0; }
  Position position() const { return {file_, node_ ? node_->line : 0, node_ ? node_->column : 0}; }
  Position position(const YamlNode& node) const { return {file_, node.line, node.column}; }
  // "spec.tracing.samplingRate"
  std::string path_of(std::string_view key) const;

 private:
  const YamlNode* scalar(std::string_view key, std::string_view expected);
  void wrong(const YamlNode& node, std::string_view key, std::string_view expected);

  const YamlNode* node_ = nullptr;
  bool broken_ = false;  // not a map: reported, so nothing in it is missing
  std::string path_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  UnknownKeys unknown_;
  std::vector<std::string_view> known_;
};

}  // namespace tandem::config
