// YamlNode: one YAML document as an immutable tree with line numbers, built from yaml-cpp's events under fixed bounds.
//
// Internal to config/. yaml-cpp's own tree keeps cycles of aliases, cannot be bounded while it grows and drops the
// difference between `true` and "true" of quoted scalars; this one is safe on hostile text. A mistake in the syntax is
// one error in Diagnostics; documents before it are kept. Never throws. Any thread while nobody writes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostics.h"

namespace tandem::config {

struct YamlLimits {
  std::size_t max_bytes = 1024 * 1024;
  std::size_t max_nodes = 100'000;  // of a file, each alias counted with everything that it stands for
  int max_depth = 64;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  using Ptr = std::shared_ptr<const YamlNode>;
  struct Pair {
    Ptr key;
    Ptr value;
  };

  Kind kind = Kind::kNull;
  std::string text;     // of a scalar
  bool quoted = false;  // a scalar that is text whatever it looks like
  int line = 0;
  int column = 0;
  std::size_t weight = 1;  // nodes below and including this one, aliases expanded
  int height = 1;          // levels below and including this one
  std::vector<Ptr> items;
  std::vector<Pair> pairs;  // in the order written; a repeated key keeps its last value

  // The value of a key, or null. Exact spelling first, then without regard to case.
  const YamlNode* get(std::string_view key) const;
};

// The documents of a text. Empty ones are kNull.
std::vector<YamlNode::Ptr> parse_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                      const YamlLimits& limits = {});

// What a plain scalar means in Dapr's YAML: "yes", "On" and "true" are booleans, 0x10 and 1_000 numbers.
enum class ScalarType { kNull, kBool, kNumber, kString };
struct ScalarValue {
  ScalarType type = ScalarType::kString;
  std::string json;  // how JSON spells it, strings quoted
};
ScalarValue resolve_scalar(const YamlNode& node);

// The node as JSON text on one line, map keys in the order of their names as Go writes them.
std::string to_json(const YamlNode& node);
// `text` as a quoted JSON string.
std::string json_quote(std::string_view text);

}  // namespace tandem::config
