#include "config/map_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/number.h"
#include "config/duration.h"
#include "config/quantity.h"
#include "config/text.h"

namespace tandem::config {
namespace {

std::string_view describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: return "nothing";
    case YamlNode::Kind::kScalar: return "a single value";
    case YamlNode::Kind::kSequence: return "a list";
    case YamlNode::Kind::kMap: return "a map";
  }
  return "something else";
}

}  // namespace

MapReader::MapReader(const YamlNode* node, std::string path, const std::string& file, Diagnostics& diagnostics,
                     UnknownKeys unknown)
    : node_(node), path_(std::move(path)), file_(file), diagnostics_(diagnostics), unknown_(unknown) {
  if (node_ != nullptr && node_->kind != YamlNode::Kind::kMap) {
    if (node_->kind != YamlNode::Kind::kNull) {
      diagnostics_.error(position(*node_), fmt::format("{} must be a map of keys and values, not {}",
                                                       path_.empty() ? "the document" : path_, describe(*node_)));
      broken_ = true;
    }
    node_ = nullptr;
  }
}

std::string MapReader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const YamlNode* MapReader::get(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  if (node_ == nullptr) return nullptr;
  const YamlNode* found = nullptr;
  if (unknown_ == UnknownKeys::kRefuse) {
    for (const auto& pair : node_->pairs) {
      if (pair.key->text == key) found = pair.value.get();
    }
  } else {
    found = node_->get(key);
  }
  return found != nullptr && found->kind != YamlNode::Kind::kNull ? found : nullptr;
}

void MapReader::wrong(const YamlNode& node, std::string_view key, std::string_view expected) {
  std::string got =
      node.kind == YamlNode::Kind::kScalar ? fmt::format("\"{}\"", printable(node.text)) : std::string(describe(node));
  diagnostics_.error(position(node), fmt::format("{} must be {}, not {}", path_of(key), expected, got));
}

const YamlNode* MapReader::scalar(std::string_view key, std::string_view expected) {
  const YamlNode* node = get(key);
  if (node != nullptr && node->kind != YamlNode::Kind::kScalar) {
    wrong(*node, key, expected);
    return nullptr;
  }
  return node;
}

std::optional<std::string> MapReader::text(std::string_view key) {
  const YamlNode* node = scalar(key, "a text");
  if (node == nullptr) return std::nullopt;
  return node->text;
}

std::string MapReader::text_or(std::string_view key, std::string_view fallback) {
  auto value = text(key);
  return value ? std::move(*value) : std::string(fallback);
}

std::string MapReader::required_text(std::string_view key) {
  const YamlNode* node = get(key);
  if (node != nullptr && node->kind != YamlNode::Kind::kScalar) {
    wrong(*node, key, "a text");
    return {};
  }
  if (node == nullptr || node->text.empty()) {
    if (!broken_) {
      diagnostics_.error(node ? position(*node) : position(), fmt::format("{} is missing", path_of(key)));
    }
    return {};
  }
  return node->text;
}

std::optional<std::string> MapReader::choice(std::string_view key, const std::vector<std::string_view>& choices) {
  std::string expected = fmt::format("one of {}", fmt::join(choices, ", "));
  const YamlNode* node = scalar(key, expected);
  if (node == nullptr) return std::nullopt;
  for (std::string_view choice : choices) {
    if (equals_ignoring_case(node->text, choice)) return std::string(choice);
  }
  wrong(*node, key, expected);
  return std::nullopt;
}

std::optional<bool> MapReader::boolean(std::string_view key) {
  const YamlNode* node = scalar(key, "true or false");
  if (node == nullptr) return std::nullopt;
  ScalarValue value = resolve_scalar(*node);
  if (value.type != ScalarType::kBool) {
    wrong(*node, key, "true or false");
    return std::nullopt;
  }
  return value.json == "true";
}

std::optional<std::int64_t> MapReader::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  std::string expected = max == INT64_MAX ? fmt::format("a whole number of at least {}", min)
                                          : fmt::format("a whole number from {} to {}", min, max);
  const YamlNode* node = scalar(key, expected);
  if (node == nullptr) return std::nullopt;
  std::string digits = node->quoted ? node->text : resolve_scalar(*node).json;
  const std::optional<std::int64_t> value = parse_number<std::int64_t>(digits);
  if (!value || *value < min || *value > max) {
    wrong(*node, key, expected);
    return std::nullopt;
  }
  return value;
}

std::optional<double> MapReader::number(std::string_view key) {
  const YamlNode* node = scalar(key, "a number");
  if (node == nullptr) return std::nullopt;
  const std::optional<double> value = parse_number<double>(node->text);
  if (!value) wrong(*node, key, "a number");
  return value;
}

std::optional<std::chrono::nanoseconds> MapReader::duration(std::string_view key) {
  const YamlNode* node = scalar(key, "a duration");
  if (node == nullptr) return std::nullopt;
  auto value = parse_duration(node->text);
  if (value && value->count() < 0) value = fail(Code::kInvalidArgument, "a duration cannot be negative");
  if (!value) {
    diagnostics_.error(position(*node), fmt::format("{}: {}", path_of(key), value.error().message));
    return std::nullopt;
  }
  return *value;
}

std::optional<std::uint64_t> MapReader::quantity(std::string_view key) {
  const YamlNode* node = scalar(key, "an amount of bytes");
  if (node == nullptr) return std::nullopt;
  auto value = parse_quantity(node->text);
  if (!value) {
    diagnostics_.error(position(*node), fmt::format("{}: {}", path_of(key), value.error().message));
    return std::nullopt;
  }
  return *value;
}

std::vector<std::string> MapReader::texts(std::string_view key) {
  std::vector<std::string> out;
  const YamlNode* node = sequence(key);
  if (node == nullptr) return out;
  for (const auto& item : node->items) {
    if (item->kind == YamlNode::Kind::kScalar) {
      out.push_back(item->text);
    } else {
      wrong(*item, fmt::format("{}[{}]", key, &item - node->items.data()), "a text");
    }
  }
  return out;
}

std::map<std::string, std::string> MapReader::text_map(std::string_view key) {
  std::map<std::string, std::string> out;
  const YamlNode* node = map(key);
  if (node == nullptr) return out;
  for (const auto& pair : node->pairs) {
    if (pair.value->kind == YamlNode::Kind::kScalar || pair.value->kind == YamlNode::Kind::kNull) {
      out[pair.key->text] = pair.value->text;
    } else {
      wrong(*pair.value, fmt::format("{}.{}", key, printable(pair.key->text)), "a text");
    }
  }
  return out;
}

const YamlNode* MapReader::map(std::string_view key) {
  const YamlNode* node = get(key);
  if (node != nullptr && node->kind != YamlNode::Kind::kMap) {
    wrong(*node, key, "a map of keys and values");
    return nullptr;
  }
  return node;
}

const YamlNode* MapReader::sequence(std::string_view key) {
  const YamlNode* node = get(key);
  if (node != nullptr && node->kind != YamlNode::Kind::kSequence) {
    wrong(*node, key, "a list");
    return nullptr;
  }
  return node;
}

void MapReader::finish() {
  if (node_ == nullptr || unknown_ == UnknownKeys::kIgnore) return;
  for (const auto& pair : node_->pairs) {
    const std::string& key = pair.key->text;
    bool known = std::any_of(known_.begin(), known_.end(), [&](std::string_view name) {
      return unknown_ == UnknownKeys::kRefuse ? name == key : equals_ignoring_case(name, key);
    });
    if (known) continue;
    std::string message = fmt::format("unknown key \"{}\"", printable(path_of(key)));
    std::string_view close = closest_match(key, known_);
    if (!close.empty()) message += fmt::format("; did you mean \"{}\"?", close);
    if (unknown_ == UnknownKeys::kRefuse) {
      diagnostics_.error(position(*pair.key), std::move(message));
    } else {
      diagnostics_.warning(position(*pair.key), message + (close.empty() ? "; it is ignored" : " It is ignored"));
    }
  }
}

}  // namespace tandem::config
