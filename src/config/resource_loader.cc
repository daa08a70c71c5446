#include "config/resource_loader.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "config/map_reader.h"
#include "config/resource_reader.h"
#include "config/text.h"
#include "config/yaml.h"

namespace tandem::config {
namespace {

constexpr std::size_t kMaxFiles = 10'000;

// Kinds of Dapr's own resources that this program does not read.
constexpr std::array<std::string_view, 2> kOtherDaprKinds = {"WorkflowAccessPolicy", "MCPServer"};

struct Header {
  std::string api_version;
  std::string kind;
  bool dapr = false;
};

// What a document says of itself. A folder may hold anything.
Header read_header(const YamlNode& document) {
  Header header;
  if (document.kind != YamlNode::Kind::kMap) return header;
  if (const YamlNode* version = document.get("apiVersion")) header.api_version = version->text;
  if (const YamlNode* kind = document.get("kind")) header.kind = kind->text;
  header.dapr = header.api_version.starts_with("dapr.io/");
  return header;
}

bool is_known_kind(std::string_view kind) {
  return kind == "Component" || kind == "Subscription" || kind == "Configuration" || kind == "HTTPEndpoint" ||
         kind == "Resiliency" ||
         std::find(kOtherDaprKinds.begin(), kOtherDaprKinds.end(), kind) != kOtherDaprKinds.end();
}

bool is_empty(const YamlNode& document) {
  return document.kind == YamlNode::Kind::kNull || (document.kind == YamlNode::Kind::kScalar && document.text.empty());
}

// For a document of another system.
std::string described(const Header& header) {
  const auto said = [](std::string_view key, const std::string& value) {
    return value.empty() ? fmt::format("no {}", key) : fmt::format("{} \"{}\"", key, printable(value));
  };
  return said("apiVersion", header.api_version) + ", " + said("kind", header.kind);
}

template <class Resource>
Resource with_content(Resource resource, const YamlNode& document) {
  resource.content = to_json(document);
  return resource;
}

void add_document(const YamlNode& document, const std::string& file, Resources& resources, Diagnostics& diagnostics) {
  Header header = read_header(document);
  Position at{file, document.line, document.column};
  if (!header.dapr) {
    if (header.api_version.empty() && is_known_kind(header.kind)) {
      diagnostics.error(
          at, fmt::format("apiVersion is missing; a {} starts with \"apiVersion: dapr.io/v1alpha1\"", header.kind));
    } else if (!is_empty(document)) {
      diagnostics.warning(at, fmt::format("not a resource of Dapr ({}); it is ignored", described(header)));
    }
    return;
  }
  if (header.kind.empty()) {
    diagnostics.error(at, "kind is missing; it is Component or Subscription");
  } else if (header.kind == "Component") {
    if (header.api_version != "dapr.io/v1alpha1") {
      diagnostics.error(at, fmt::format("apiVersion \"{}\" of a Component is not known; write dapr.io/v1alpha1",
                                        printable(header.api_version)));
      return;
    }
    resources.components.push_back(with_content(read_component(document, file, diagnostics), document));
  } else if (header.kind == "HTTPEndpoint") {
    if (header.api_version != "dapr.io/v1alpha1") {
      diagnostics.error(at, fmt::format("apiVersion \"{}\" of an HTTPEndpoint is not known; write dapr.io/v1alpha1",
                                        printable(header.api_version)));
      return;
    }
    resources.http_endpoints.push_back(with_content(read_http_endpoint(document, file, diagnostics), document));
  } else if (header.kind == "Resiliency") {
    if (header.api_version != "dapr.io/v1alpha1") {
      diagnostics.error(at, fmt::format("apiVersion \"{}\" of a Resiliency is not known; write dapr.io/v1alpha1",
                                        printable(header.api_version)));
      return;
    }
    resources.resiliencies.push_back(with_content(read_resiliency(document, file, diagnostics), document));
  } else if (header.kind == "Subscription") {
    if (header.api_version != "dapr.io/v1alpha1" && header.api_version != "dapr.io/v2alpha1") {
      diagnostics.error(at, fmt::format("apiVersion \"{}\" of a Subscription is not known; write dapr.io/v2alpha1",
                                        printable(header.api_version)));
      return;
    }
    resources.subscriptions.push_back(with_content(read_subscription(document, file, diagnostics), document));
  } else if (header.kind == "Configuration") {
    diagnostics.warning(at, "a Configuration in a resources folder is not used; give its file with --config");
  } else if (is_known_kind(header.kind)) {
    diagnostics.warning(at,
                        fmt::format("kind {} is not supported by this version; the resource is ignored", header.kind));
  } else {
    std::string_view close =
        closest_match(header.kind, {"Component", "Subscription", "Configuration", "HTTPEndpoint", "Resiliency"});
    diagnostics.warning(
        at, fmt::format("kind \"{}\" is not one of Dapr's that this version knows; it is ignored{}",
                        printable(header.kind), close.empty() ? "" : fmt::format(". Did you mean {}?", close)));
  }
}

// The YAML files of a folder, by name. Empty (and an error) when the folder cannot be read.
std::vector<std::string> yaml_files(const std::string& folder, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) {
    diagnostics.error({folder, 0, 0}, fmt::format("cannot open the resources folder: {}", std::strerror(errno)));
    return names;
  }
  while (const dirent* entry = ::readdir(directory)) {
    std::string name = entry->d_name;
    std::string lower = to_lower(name);
    if (!lower.ends_with(".yaml") && !lower.ends_with(".yml")) continue;
    struct stat info{};
    std::string path = folder + (folder.ends_with('/') ? "" : "/") + name;
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
    if (names.size() >= kMaxFiles) {
      diagnostics.error({folder, 0, 0}, fmt::format("more than {} YAML files in one folder", kMaxFiles));
      break;
    }
    names.push_back(std::move(path));
  }
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

template <class Kind>
void refuse_duplicates(std::string_view kind, const std::vector<Kind>& all, Diagnostics& diagnostics) {
  std::map<std::string_view, const Kind*> seen;
  for (const Kind& one : all) {
    if (one.name.empty()) continue;
    auto [at, fresh] = seen.try_emplace(one.name, &one);
    if (!fresh) {
      diagnostics.error(one.position(), fmt::format("{} \"{}\" is already defined at {}:{}", kind, printable(one.name),
                                                    at->second->file, at->second->line));
    }
  }
}

YamlNode::Ptr with_environment(const YamlNode::Ptr& node) {
  auto copy = std::make_shared<YamlNode>(*node);
  if (copy->kind == YamlNode::Kind::kScalar) copy->text = expand_environment(copy->text);
  for (auto& item : copy->items) item = with_environment(item);
  for (auto& pair : copy->pairs) pair.value = with_environment(pair.value);
  return copy;
}

// The first Configuration of a text; what keeps it from being one is left to parse_configuration().
YamlNode::Ptr configuration_document(std::string_view text, const std::string& file) {
  Diagnostics ignored;
  for (const auto& document : parse_yaml(text, file, ignored)) {
    const Header header = read_header(*document);
    if (header.dapr && header.kind == "Configuration") return with_environment(document);
  }
  return nullptr;
}

// `over` with what only `under` has. Both are bounded, and so is what they are together.
YamlNode::Ptr merged(const YamlNode::Ptr& under, const YamlNode::Ptr& over) {
  if (under->kind != YamlNode::Kind::kMap || over->kind != YamlNode::Kind::kMap) return over;
  auto out = std::make_shared<YamlNode>(*over);
  for (const YamlNode::Pair& pair : under->pairs) {
    const auto same = std::ranges::find_if(
        out->pairs, [&](const YamlNode::Pair& other) { return other.key->text == pair.key->text; });
    if (same == out->pairs.end()) {
      out->pairs.push_back(pair);
    } else {
      same->value = merged(pair.value, same->value);
    }
  }
  return out;
}

}  // namespace

Resources Resources::visible_to(std::string_view app_id) const {
  Resources out;
  std::copy_if(components.begin(), components.end(), std::back_inserter(out.components),
               [&](const Component& component) { return component.visible_to(app_id); });
  std::copy_if(subscriptions.begin(), subscriptions.end(), std::back_inserter(out.subscriptions),
               [&](const Subscription& subscription) { return subscription.visible_to(app_id); });
  std::copy_if(http_endpoints.begin(), http_endpoints.end(), std::back_inserter(out.http_endpoints),
               [&](const HttpEndpoint& endpoint) { return endpoint.visible_to(app_id); });
  std::copy_if(resiliencies.begin(), resiliencies.end(), std::back_inserter(out.resiliencies),
               [&](const Resiliency& one) { return one.visible_to(app_id); });
  return out;
}

void parse_resources(std::string_view text, const std::string& file, Resources& resources, Diagnostics& diagnostics) {
  for (const auto& document : parse_yaml(text, file, diagnostics))
    add_document(*document, file, resources, diagnostics);
}

Resources load_resources(std::span<const std::string> folders, Diagnostics& diagnostics) {
  Resources resources;
  std::vector<std::string> done;
  for (const std::string& folder : folders) {
    if (std::find(done.begin(), done.end(), folder) != done.end()) continue;
    done.push_back(folder);
    for (const std::string& path : yaml_files(folder, diagnostics)) {
      if (auto text = read_text_file(path, YamlLimits{}.max_bytes, diagnostics)) {
        parse_resources(*text, path, resources, diagnostics);
      }
    }
  }
  refuse_duplicates("a component", resources.components, diagnostics);
  refuse_duplicates("an HTTPEndpoint", resources.http_endpoints, diagnostics);
  refuse_duplicates("a Resiliency", resources.resiliencies, diagnostics);
  return resources;
}

std::optional<Configuration> parse_configuration(std::string_view text, const std::string& file,
                                                 Diagnostics& diagnostics) {
  std::size_t errors_before = diagnostics.error_count();
  for (const auto& document : parse_yaml(text, file, diagnostics)) {
    Header header = read_header(*document);
    if (!header.dapr || header.kind != "Configuration") continue;
    if (header.api_version != "dapr.io/v1alpha1") {
      diagnostics.error({file, document->line, document->column},
                        fmt::format("apiVersion \"{}\" of a Configuration is not known; write dapr.io/v1alpha1",
                                    printable(header.api_version)));
      return std::nullopt;
    }
    return read_configuration(*with_environment(document), file, diagnostics);
  }
  if (diagnostics.error_count() == errors_before) {
    diagnostics.error({file, 0, 0},
                      "no Dapr Configuration in this file (apiVersion: dapr.io/v1alpha1, kind: Configuration)");
  }
  return std::nullopt;
}

std::optional<Configuration> load_configuration(const std::string& path, Diagnostics& diagnostics) {
  auto text = read_text_file(path, YamlLimits{}.max_bytes, diagnostics);
  if (!text) return std::nullopt;
  return parse_configuration(*text, path, diagnostics);
}

std::optional<Configuration> load_configurations(std::span<const std::string> paths, Diagnostics& diagnostics) {
  if (paths.size() == 1) return load_configuration(paths.front(), diagnostics);
  YamlNode::Ptr whole;
  for (const std::string& path : paths) {
    const auto text = read_text_file(path, YamlLimits{}.max_bytes, diagnostics);
    // Each file is read by itself first, so that its mistakes have its name and lines.
    if (!text || !parse_configuration(*text, path, diagnostics)) return std::nullopt;
    const YamlNode::Ptr document = configuration_document(*text, path);
    whole = whole ? merged(whole, document) : document;
  }
  if (!whole) return std::nullopt;
  Diagnostics said_already;
  return read_configuration(*whole, paths.back(), said_already);
}

}  // namespace tandem::config
