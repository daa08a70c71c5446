#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "base/number.h"
#include "config/text.h"

namespace tandem::config {
namespace {

// Ends the parse from inside an event; caught in parse_yaml().
struct Refused {
  int line;
  int column;
  std::string message;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const YamlLimits& limits, const std::string& file, Diagnostics& diagnostics)
      : limits_(limits), file_(file), diagnostics_(diagnostics) {}

  YamlNode::Ptr take() { return root_ ? std::move(root_) : std::make_shared<YamlNode>(); }

  void OnDocumentStart(const YAML::Mark&) override {
    root_.reset();
    open_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(make(mark, anchor)); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Refused{mark.line + 1, mark.column + 1, "an alias that stands for something that contains it"};
    }
    add(found->second, mark.line + 1, mark.column + 1);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Open node = make(mark, anchor);
    node.node->kind = YamlNode::Kind::kScalar;
    node.node->text = value;
    node.node->quoted = tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:binary";
    leaf(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, anchor, YamlNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    YamlNode::Ptr key;  // of a map: waits for its value
    std::unordered_map<std::string, std::size_t> keys;
  };

  Open make(const YAML::Mark& mark, YAML::anchor_t anchor) {
    auto node = std::make_shared<YamlNode>();
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    return {std::move(node), anchor, nullptr, {}};
  }

  void push(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      throw Refused{mark.line + 1, mark.column + 1, fmt::format("nested deeper than {} levels", limits_.max_depth)};
    }
    open_.push_back(make(mark, anchor));
    open_.back().node->kind = kind;
  }

  void pop() {
    Open done = std::move(open_.back());
    open_.pop_back();
    leaf(std::move(done));
  }

  void leaf(Open done) {
    YamlNode::Ptr node = std::move(done.node);
    if (done.anchor != YAML::NullAnchor) anchors_[done.anchor] = node;
    add(node, node->line, node->column);
  }

  void add(const YamlNode::Ptr& node, int line, int column) {
    if (open_.empty()) {
      total_ += node->weight;
      check_total(total_, line, column);
      root_ = node;
      return;
    }
    Open& parent = open_.back();
    parent.node->weight += node->weight;
    parent.node->height = std::max(parent.node->height, node->height + 1);
    check_total(total_ + parent.node->weight, line, column);
    if (static_cast<int>(open_.size()) + node->height > limits_.max_depth + 1) {
      throw Refused{line, column, fmt::format("nested deeper than {} levels", limits_.max_depth)};
    }
    if (parent.node->kind == YamlNode::Kind::kSequence) {
      parent.node->items.push_back(node);
    } else if (parent.key == nullptr) {
      parent.key = node;
    } else {
      add_pair(parent, node);
    }
  }

  void add_pair(Open& parent, const YamlNode::Ptr& value) {
    YamlNode::Ptr key = std::move(parent.key);
    if (key->kind == YamlNode::Kind::kScalar && key->text == "<<" && !key->quoted) {
      merge(parent, *value);
      return;
    }
    auto [at, fresh] = parent.keys.try_emplace(key->text, parent.node->pairs.size());
    if (fresh) {
      parent.node->pairs.push_back({std::move(key), value});
      return;
    }
    YamlNode::Pair& earlier = parent.node->pairs[at->second];
    if (merged_.contains(earlier.value.get())) {  // a key of the map itself beats a merged one
      earlier = {std::move(key), value};
      return;
    }
    diagnostics_.warning({file_, key->line, key->column},
                         fmt::format("key \"{}\" is written twice (first at line {}); the last value holds",
                                     printable(key->text), earlier.key->line));
    earlier = {std::move(key), value};
  }

  // YAML 1.1's merge key: `<<: *defaults`.
  void merge(Open& parent, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kSequence) {
      for (const auto& item : value.items) merge(parent, *item);
      return;
    }
    for (const auto& pair : value.pairs) {
      auto [at, fresh] = parent.keys.try_emplace(pair.key->text, parent.node->pairs.size());
      if (!fresh) continue;
      // A copy, so that what is marked as merged is this use of the value and no other.
      auto copy = std::make_shared<YamlNode>(*pair.value);
      merged_.emplace(copy.get(), copy);
      parent.node->pairs.push_back({pair.key, std::move(copy)});
    }
  }

  void check_total(std::size_t total, int line, int column) const {
    if (total > limits_.max_nodes) {
      throw Refused{line, column, fmt::format("more than {} values, aliases expanded", limits_.max_nodes)};
    }
  }

  const YamlLimits& limits_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  YamlNode::Ptr root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, YamlNode::Ptr> anchors_;
  std::unordered_map<const YamlNode*, YamlNode::Ptr> merged_;
  std::size_t total_ = 0;
};

std::string strip_underscores(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    char mark = text[1];
    if (mark == 'x') base = 16;
    if (mark == 'o') base = 8;
    if (mark == 'b') base = 2;
    if (base != 10) text.remove_prefix(2);
  }
  if (base == 10 && text.size() > 1 && text[0] == '0') base = 8;  // YAML 1.1: 0644
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || value > INT64_MAX) return std::nullopt;
  return negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

// As Go's encoding/json writes a float64.
std::string float_json(double value) {
  double magnitude = std::fabs(value);
  bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char buffer[400];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value,
                                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  return std::string(buffer, end);
}

bool looks_like_float(std::string_view text) {
  bool digit = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c >= '0' && c <= '9') {
      digit = true;
    } else if (!(c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-')) {
      return false;
    }
  }
  return digit;
}

void append_json(std::string& out, const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: out += "null"; return;
    case YamlNode::Kind::kScalar: out += resolve_scalar(node).json; return;
    case YamlNode::Kind::kSequence: {
      out += '[';
      for (const auto& item : node.items) {
        if (out.back() != '[') out += ',';
        append_json(out, *item);
      }
      out += ']';
      return;
    }
    case YamlNode::Kind::kMap: {
      std::map<std::string_view, const YamlNode*> sorted;
      for (const auto& pair : node.pairs) sorted[pair.key->text] = pair.value.get();
      out += '{';
      bool first = true;
      for (const auto& [key, value] : sorted) {
        if (!first) out += ',';
        first = false;
        out += json_quote(key);
        out += ':';
        append_json(out, *value);
      }
      out += '}';
      return;
    }
  }
}

}  // namespace

const YamlNode* YamlNode::get(std::string_view key) const {
  for (const Pair& pair : pairs) {
    if (pair.key->text == key) return pair.value.get();
  }
  for (const Pair& pair : pairs) {
    if (equals_ignoring_case(pair.key->text, key)) return pair.value.get();
  }
  return nullptr;
}

std::vector<YamlNode::Ptr> parse_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                      const YamlLimits& limits) {
  std::vector<YamlNode::Ptr> documents;
  if (text.size() > limits.max_bytes) {
    diagnostics.error({file, 0, 0},
                      fmt::format("{} bytes of YAML; the limit is {} bytes", text.size(), limits.max_bytes));
    return documents;
  }
  if (auto nul = text.find('\0'); nul != std::string_view::npos) {
    int line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
    diagnostics.error({file, line, 0}, "a NUL byte: this is not a YAML text");
    return documents;
  }
  try {
    std::istringstream input{std::string(text)};
    YAML::Parser parser(input);
    TreeBuilder builder(limits, file, diagnostics);
    while (parser.HandleNextDocument(builder)) documents.push_back(builder.take());
  } catch (const Refused& refused) {
    diagnostics.error({file, refused.line, refused.column}, refused.message);
  } catch (const YAML::Exception& error) {
    Position at{file, error.mark.is_null() ? 0 : error.mark.line + 1, error.mark.is_null() ? 0 : error.mark.column + 1};
    diagnostics.error(std::move(at), fmt::format("not valid YAML: {}", error.msg));
  } catch (const std::exception& error) {
    diagnostics.error({file, 0, 0}, fmt::format("cannot read YAML: {}", error.what()));
  }
  return documents;
}

ScalarValue resolve_scalar(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) return {ScalarType::kNull, "null"};
  const std::string& text = node.text;
  if (node.quoted) return {ScalarType::kString, json_quote(text)};
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return {ScalarType::kNull, "null"};
  for (std::string_view word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == word) return {ScalarType::kBool, "true"};
  }
  for (std::string_view word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == word) return {ScalarType::kBool, "false"};
  }
  char first = text[0];
  if ((first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.') {
    std::string plain = strip_underscores(text);
    if (auto integer = parse_integer(plain)) return {ScalarType::kNumber, fmt::format("{}", *integer)};
    if (looks_like_float(plain)) {
      std::string_view digits = plain;
      if (digits[0] == '+') digits.remove_prefix(1);
      if (const auto value = parse_number<double>(digits)) return {ScalarType::kNumber, float_json(*value)};
    }
  }
  return {ScalarType::kString, json_quote(text)};
}

std::string to_json(const YamlNode& node) {
  std::string out;
  append_json(out, node);
  return out;
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
  return out;
}

}  // namespace tandem::config
