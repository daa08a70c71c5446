#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdint>

#include "config/duration.h"
#include "config/map_reader.h"
#include "config/resource_reader.h"
#include "config/text.h"

namespace tandem::config {
namespace {

using std::chrono::nanoseconds;

// What daprd does by itself and lets a policy of that name change.
constexpr std::array<std::string_view, 2> kFixedRetries = {"DaprBuiltInServiceRetries",
                                                           "DaprBuiltInInitializationRetries"};
constexpr std::array<std::string_view, 3> kActorRetries = {"DaprBuiltInActorRetries", "DaprBuiltInActorReminderRetries",
                                                           "DaprBuiltInActorNotFoundRetries"};

struct Source {
  const std::string& file;
  Diagnostics& diagnostics;

  Position at(const YamlNode& node) const { return {file, node.line, node.column}; }
  MapReader reader(const YamlNode* node, std::string path) const {
    return MapReader(node, std::move(path), file, diagnostics, UnknownKeys::kWarn);
  }
};

// As Dapr reads one: Go's durations, and a plain number means milliseconds.
std::optional<nanoseconds> duration_of(const YamlNode& node, const std::string& path, const Source& source) {
  if (node.kind != YamlNode::Kind::kScalar) {
    source.diagnostics.error(source.at(node), fmt::format("{} must be a duration", path));
    return std::nullopt;
  }
  const bool plain = !node.text.empty() && node.text.find_first_not_of("0123456789") == std::string::npos;
  Result<nanoseconds> value = parse_duration(plain ? node.text + "ms" : node.text);
  if (value && value->count() < 0) value = fail(Code::kInvalidArgument, "a duration cannot be negative");
  if (!value) {
    source.diagnostics.error(source.at(node), fmt::format("{}: {}", path, value.error().message));
    return std::nullopt;
  }
  return *value;
}

nanoseconds duration_or(MapReader& reader, std::string_view key, nanoseconds otherwise, const Source& source) {
  const YamlNode* node = reader.get(key);
  if (node == nullptr || (node->kind == YamlNode::Kind::kScalar && node->text.empty())) return otherwise;
  return duration_of(*node, reader.path_of(key), source).value_or(otherwise);
}

// "429,501-503", each from `first` to `last`.
Result<StatusCodes> parse_codes(std::string_view text, int first, int last) {
  const auto refuse = [&](std::string_view part) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not a code or a range of codes from {} to {}; write for example {}",
                            printable(part), first, last, first == 0 ? "2,4,13-14" : "429,501-503"));
  };
  const auto number = [&](std::string_view digits, int& out) {
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return failure == std::errc() && end == digits.data() + digits.size() && out >= first && out <= last;
  };
  StatusCodes codes;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (part.empty()) continue;
    const std::size_t dash = part.find('-');
    StatusCodeRange range;
    if (!number(part.substr(0, dash), range.first)) return refuse(part);
    range.last = range.first;
    if (dash != std::string_view::npos && !number(part.substr(dash + 1), range.last)) return refuse(part);
    if (range.last < range.first) return refuse(part);
    codes.push_back(range);
  }
  return codes;
}

std::optional<StatusCodes> read_codes(MapReader& matching, std::string_view key, int first, int last,
                                      const Source& source) {
  const auto text = matching.text(key);
  if (!text || text->empty()) return std::nullopt;
  Result<StatusCodes> codes = parse_codes(*text, first, last);
  if (!codes) {
    source.diagnostics.error(matching.position(*matching.get(key)),
                             fmt::format("{}: {}", matching.path_of(key), codes.error().message));
    return std::nullopt;
  }
  return *codes;
}

RetryPolicy read_retry(const YamlNode& node, const std::string& path, const Source& source) {
  MapReader reader = source.reader(&node, path);
  RetryPolicy retry;
  retry.position = source.at(node);
  if (const auto kind = reader.choice("policy", {"constant", "exponential"}); kind && *kind == "exponential") {
    retry.kind = RetryPolicy::Kind::kExponential;
  }
  retry.duration = duration_or(reader, "duration", retry.duration, source);
  retry.max_interval = duration_or(reader, "maxInterval", retry.max_interval, source);
  retry.max_retries = reader.integer("maxRetries", INT_MIN, INT_MAX).value_or(retry.max_retries);
  if (const YamlNode* matching = reader.map("matching")) {
    MapReader codes = source.reader(matching, reader.path_of("matching"));
    retry.http_codes = read_codes(codes, "httpStatusCodes", 100, 599, source);
    retry.grpc_codes = read_codes(codes, "gRPCStatusCodes", 0, 16, source);
    codes.finish();
  }
  reader.finish();
  return retry;
}

BreakerPolicy read_breaker(const YamlNode& node, const std::string& path, const Source& source) {
  MapReader reader = source.reader(&node, path);
  BreakerPolicy breaker;
  const auto requests = reader.integer("maxRequests", 0, UINT32_MAX).value_or(0);
  if (requests > 0) breaker.max_requests = static_cast<std::uint32_t>(requests);
  breaker.interval = duration_or(reader, "interval", breaker.interval, source);
  const nanoseconds timeout = duration_or(reader, "timeout", breaker.timeout, source);
  if (timeout.count() > 0) breaker.timeout = timeout;
  if (const auto trip = reader.text("trip"); trip && !trip->empty()) {
    if (auto expression = TripExpression::parse(*trip)) {
      breaker.trip = std::move(*expression);
    } else {
      source.diagnostics.error(
          reader.position(*reader.get("trip")),
          fmt::format("{} \"{}\": {}", reader.path_of("trip"), printable(*trip), expression.error().message));
    }
  }
  reader.finish();
  return breaker;
}

// Calls `read(name, node, path)` for each policy or target of a map.
template <class Read>
void each(MapReader& parent, std::string_view key, const Source& source, Read read) {
  const YamlNode* all = parent.map(key);
  if (all == nullptr) return;
  for (const YamlNode::Pair& pair : all->pairs) {
    const std::string path = fmt::format("{}.{}", parent.path_of(key), printable(pair.key->text));
    if (pair.key->text.empty()) {
      source.diagnostics.error(source.at(*pair.value), fmt::format("{} has an entry without a name", key));
      continue;
    }
    read(pair.key->text, *pair.value, path);
  }
}

template <std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

void read_policies(MapReader& policies, Resiliency& out, const Source& source) {
  each(policies, "timeouts", source, [&](const std::string& name, const YamlNode& node, const std::string& path) {
    if (const auto timeout = duration_of(node, path, source)) out.timeouts.insert_or_assign(name, *timeout);
  });
  each(policies, "retries", source, [&](const std::string& name, const YamlNode& node, const std::string& path) {
    if (is_one_of(kFixedRetries, name)) {
      source.diagnostics.error(source.at(node),
                               fmt::format("{}: what Dapr does by itself cannot be changed in this version", path));
    } else if (is_one_of(kActorRetries, name)) {
      source.diagnostics.warning(source.at(node),
                                 fmt::format("{} has no effect: there are no actors in this version", path));
    }
    out.retries.insert_or_assign(name, read_retry(node, path, source));
  });
  each(policies, "circuitBreakers", source,
       [&](const std::string& name, const YamlNode& node, const std::string& path) {
         out.breakers.insert_or_assign(name, read_breaker(node, path, source));
       });
  policies.finish();
}

PolicyName read_policy_name(MapReader& reader, std::string_view key) {
  PolicyName out{.name = reader.text_or(key, ""), .position = {}};
  if (const YamlNode* node = reader.get(key)) out.position = reader.position(*node);
  return out;
}

PolicyNames read_policy_names(MapReader& reader) {
  return {.timeout = read_policy_name(reader, "timeout"),
          .retry = read_policy_name(reader, "retry"),
          .circuit_breaker = read_policy_name(reader, "circuitBreaker")};
}

PolicyNames read_direction(MapReader& component, std::string_view key, const Source& source) {
  const YamlNode* node = component.map(key);
  MapReader reader = source.reader(node, component.path_of(key));
  PolicyNames names = read_policy_names(reader);
  reader.finish();
  return names;
}

void read_targets(MapReader& targets, Resiliency& out, const Source& source) {
  each(targets, "apps", source, [&](const std::string& name, const YamlNode& node, const std::string& path) {
    MapReader reader = source.reader(&node, path);
    AppTarget target{.policies = read_policy_names(reader)};
    if (const auto size = reader.integer("circuitBreakerCacheSize", 0, 1'000'000); size && *size > 0) {
      target.max_breakers = static_cast<std::size_t>(*size);
    }
    reader.finish();
    out.apps.insert_or_assign(name, std::move(target));
  });
  each(targets, "components", source, [&](const std::string& name, const YamlNode& node, const std::string& path) {
    MapReader reader = source.reader(&node, path);
    ComponentTarget target{.inbound = read_direction(reader, "inbound", source),
                           .outbound = read_direction(reader, "outbound", source)};
    reader.finish();
    out.components.insert_or_assign(name, std::move(target));
  });
  if (const YamlNode* actors = targets.map("actors"); actors != nullptr && !actors->pairs.empty()) {
    source.diagnostics.warning(source.at(*actors),
                               "spec.targets.actors has no effect: there are no actors in this version");
  }
  targets.finish();
}

}  // namespace

Resiliency read_resiliency(const YamlNode& document, const std::string& file, Diagnostics& diagnostics) {
  const Source source{file, diagnostics};
  MapReader top = source.reader(&document, "");
  Resiliency out;
  out.file = file;
  out.line = document.line;
  top.get("apiVersion");
  top.get("kind");
  out.name = read_name(top, file, diagnostics);
  if (const YamlNode* metadata = top.get("metadata")) {
    const YamlNode* name_space = metadata->kind == YamlNode::Kind::kMap ? metadata->get("namespace") : nullptr;
    if (name_space != nullptr) out.name_space = name_space->text;
  }
  out.scopes = top.texts("scopes");
  MapReader spec = source.reader(top.get("spec"), "spec");
  MapReader policies = source.reader(spec.map("policies"), "spec.policies");
  read_policies(policies, out, source);
  MapReader targets = source.reader(spec.map("targets"), "spec.targets");
  read_targets(targets, out, source);
  spec.finish();
  top.finish();
  return out;
}

}  // namespace tandem::config
