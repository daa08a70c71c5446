#include "cli/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <string_view>

#include "config/text.h"
#include "host/guest_exports.h"

namespace tandem::cli {
namespace {

using engine::ModuleKind;
using engine::Name;

struct Grant {
  std::string_view prefix;
  std::string_view text;
};

constexpr auto kGrants = std::to_array<Grant>({
    {"wasi:http/outgoing-handler", "other apps and the Dapr port; further hosts by --allow-outbound"},
    {"wasi:sockets/", "only hosts of --allow-outbound"},
    {"wasi:filesystem/", "only folders of --mount"},
    {"wasi:cli/environment", "Dapr's variables and those of --env"},
    {"wasi_snapshot_preview1.", "only folders of --mount and variables of --env"},
    {"tandem:dapr/", "the components of --resources-path that the app may use"},
    {"wasi:keyvalue/", "the state stores of --resources-path"},
    {"wasmcloud:messaging/", "the pubsubs of --resources-path"},
    {"wasi:messaging/", "the pubsubs of --resources-path"},
});

constexpr auto kSdkPackages = std::to_array<std::string_view>(
    {"tandem:dapr/", "wasi:keyvalue/", "wasi:config/", "wasi:messaging/", "wasmcloud:messaging/"});

struct SplitName {
  std::string_view package;
  std::string_view rest;
};

SplitName split(std::string_view name) {
  std::size_t at = name.find('/');
  if (at == std::string_view::npos && name.find(':') == std::string_view::npos) at = name.find('.');
  if (at == std::string_view::npos) return {"", name};
  return {name.substr(0, at), name.substr(at + 1)};
}

std::string_view grant_of(std::string_view name) {
  for (const Grant& grant : kGrants) {
    if (name.starts_with(grant.prefix)) return grant.text;
  }
  return {};
}

// In the order in which packages first appear; names sorted.
std::vector<NameGroup> group(const std::vector<std::string_view>& names) {
  std::vector<NameGroup> groups;
  for (std::string_view name : names) {
    const auto [package, rest] = split(name);
    auto at = std::find_if(groups.begin(), groups.end(), [&](const NameGroup& g) { return g.package == package; });
    if (at == groups.end()) at = groups.insert(at, NameGroup{std::string(package), {}, {}});
    at->names.emplace_back(rest);
    if (at->grant.empty()) at->grant = grant_of(name);
  }
  for (NameGroup& one : groups) std::sort(one.names.begin(), one.names.end());
  return groups;
}

std::vector<std::string_view> names_of(const ModuleFacts& facts, Name::Direction direction) {
  std::vector<std::string_view> out;
  for (const Name& name : facts.names) {
    if (name.direction == direction) out.push_back(name.name);
  }
  return out;
}

bool is_http_wasm_handler(const ModuleFacts& facts) {
  bool handler = false;
  bool host = false;
  for (const Name& name : facts.names) {
    const bool is_export = name.direction == Name::Direction::kExport;
    handler = handler || (is_export && name.name == "handle_request");
    host = host || (!is_export && name.name.starts_with("http_handler."));
  }
  return handler && host;
}

// An import that only an app with the embedded SDK has; one with functions rather than one of types alone.
std::string_view sdk_import(const ModuleFacts& facts) {
  std::string_view types;
  for (const Name& name : facts.names) {
    for (std::string_view package : kSdkPackages) {
      if (name.direction != Name::Direction::kImport || !name.name.starts_with(package)) continue;
      if (!name.name.starts_with(std::string(package) + "types")) return name.name;
      types = name.name;
    }
  }
  return types;
}

// An export by which events come; empty: there is none.
std::string_view event_export(const ModuleFacts& facts) {
  for (const Name& name : facts.names) {
    if (host::takes_events(name)) return name.name;
  }
  return {};
}

bool exports_http_of_wasi_3(const ModuleFacts& facts) {
  return std::any_of(facts.names.begin(), facts.names.end(), [](const Name& name) {
    return name.direction == Name::Direction::kExport && name.name.starts_with("wasi:http/handler@0.3");
  });
}

void classify(const ModuleFacts& facts, Inspection& out) {
  if (const std::string_view events = event_export(facts); !events.empty()) {
    out.kind = facts.kind == ModuleKind::kHttp ? "HTTP component" : "component that takes events";
    out.blueprint = 3;
    out.reason = fmt::format("it exports {}", events);
    return;
  }
  switch (facts.kind) {
    case ModuleKind::kHttp:
      out.kind = "HTTP component";
      if (std::string_view import = sdk_import(facts); !import.empty()) {
        out.blueprint = 3;
        out.reason = fmt::format("it imports {}", import);
      } else {
        out.blueprint = 2;
        out.reason = "it exports wasi:http/incoming-handler and imports none of Dapr's building blocks";
      }
      return;
    case ModuleKind::kCommand:
      out.kind = "command component";
      out.blueprint = 1;
      out.reason = "it exports wasi:cli/run";
      return;
    case ModuleKind::kP1Command:
      out.kind = "preview 1 command";
      out.blueprint = 1;
      out.reason = "it exports _start and imports only wasi_snapshot_preview1";
      return;
    case ModuleKind::kLibrary:
      out.kind = "component";
      out.reason =
          exports_http_of_wasi_3(facts)
              ? "it exports wasi:http/handler of WASI 0.3; this version calls wasi:http/incoming-handler of 0.2"
              : "it exports neither wasi:http/incoming-handler nor wasi:cli/run, and no handler of events";
      return;
    case ModuleKind::kCore:
      out.kind = "core module";
      if (is_http_wasm_handler(facts)) {
        out.kind = "http-wasm handler";
        out.blueprint = 1;
        out.reason = "it exports handle_request and imports http_handler";
      } else {
        out.reason = "it is no component, and no preview 1 command either";
      }
      return;
  }
}

void judge(const ModuleFacts& facts, Inspection& out) {
  if (!facts.missing.empty()) {
    out.verdict = fmt::format("it cannot run here: Tandem lacks {} of its imports", facts.missing.size());
  } else if (!can_run(facts)) {
    out.verdict = "it cannot run here: tandem run serves HTTP components, components that take events, and commands";
  } else if (!facts.link_error.empty()) {
    out.verdict = fmt::format("it cannot run here: {}", facts.link_error);
  } else {
    out.runs = true;
    out.verdict = fmt::format("it can run here{}: tandem run {}",
                              facts.kind == ModuleKind::kHttp || !event_export(facts).empty()
                                  ? ""
                                  : ", once for each request, whose body is its stdin, and its stdout the answer's",
                              config::printable(facts.file));
  }
}

std::string_view blueprint_name(int blueprint) {
  constexpr std::array<std::string_view, 3> kNames = {"pure function", "HTTP microservice", "embedded SDK"};
  return kNames[static_cast<std::size_t>(blueprint - 1)];
}

void append_groups(std::string& out, std::string_view heading, const std::vector<NameGroup>& groups) {
  if (groups.empty()) return;
  out += fmt::format("\n{}\n", heading);
  for (const NameGroup& one : groups) {
    std::string names;
    for (const std::string& name : one.names) names += (names.empty() ? "" : "  ") + config::printable(name);
    out += fmt::format("  {:<24} {}\n", config::printable(one.package), names);
    if (!one.grant.empty()) out += fmt::format("  {:<24} ({})\n", "", one.grant);
  }
}

boost::json::array to_array(const std::vector<NameGroup>& groups) {
  boost::json::array out;
  for (const NameGroup& one : groups) {
    boost::json::object entry{{"package", one.package},
                              {"names", boost::json::array(one.names.begin(), one.names.end())}};
    if (!one.grant.empty()) entry["grant"] = one.grant;
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace

Inspection inspect(const ModuleFacts& facts) {
  Inspection out;
  out.file = facts.file;
  out.bytes = facts.bytes;
  classify(facts, out);
  const auto is_missing = [&](std::string_view name) {
    return std::any_of(facts.missing.begin(), facts.missing.end(), [&](const Name& lack) { return lack.name == name; });
  };
  std::vector<std::string_view> given;
  std::vector<std::string_view> lacking;
  for (std::string_view name : names_of(facts, Name::Direction::kImport)) {
    (is_missing(name) ? lacking : given).push_back(name);
  }
  out.exports = group(names_of(facts, Name::Direction::kExport));
  for (NameGroup& one : out.exports) one.grant.clear();
  out.given = group(given);
  out.lacking = group(lacking);
  for (NameGroup& one : out.lacking) one.grant.clear();
  judge(facts, out);
  return out;
}

bool can_run(const ModuleFacts& facts) {
  if (facts.kind == ModuleKind::kLibrary) return !event_export(facts).empty();
  return facts.kind != ModuleKind::kCore;
}

std::string to_text(const Inspection& in) {
  std::string out = fmt::format("{}: {}, {} bytes\n", config::printable(in.file), in.kind, in.bytes);
  if (in.blueprint) {
    out += fmt::format("blueprint {}, {}: {}\n", *in.blueprint, blueprint_name(*in.blueprint), in.reason);
  } else {
    out += fmt::format("no blueprint: {}\n", in.reason);
  }
  append_groups(out, "it exports", in.exports);
  append_groups(out, "it imports, and Tandem has", in.given);
  append_groups(out, "it imports, and Tandem lacks", in.lacking);
  return out + fmt::format("\n{}\n", in.verdict);
}

std::string to_json(const Inspection& in) {
  boost::json::object out{
      {"file", in.file},
      {"bytes", in.bytes},
      {"kind", in.kind},
      {"blueprint", in.blueprint ? boost::json::value(*in.blueprint) : boost::json::value(nullptr)},
      {"reason", in.reason},
      {"exports", to_array(in.exports)},
      {"given", to_array(in.given)},
      {"lacking", to_array(in.lacking)},
      {"runs", in.runs},
      {"verdict", in.verdict},
  };
  return boost::json::serialize(out) + "\n";
}

}  // namespace tandem::cli
