#include "components/secretstores/local_file/local_file_secret_store.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "base/json.h"
#include "config/diagnostics.h"
#include "config/text.h"

namespace tandem::components {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr int kMaxDepth = 64;

// What a value that is neither an object nor an array is as a secret.
std::string text_of(std::string_view value) {
  switch (json_kind(value)) {
    case JsonKind::kString: return json_text(value);
    case JsonKind::kNull: return {};
    default: return std::string(value);
  }
}

// Of members with one name the last counts, as in Go.
std::map<std::string, std::string_view> members_of(std::string_view object) {
  std::map<std::string, std::string_view> members;
  JsonMembers cursor(object);
  std::string name;
  std::string_view value;
  while (cursor.next(name, value)) members.insert_or_assign(name, value);
  return members;
}

// Takes nested values apart: each under the names on the way to it.
class Flattener final {
 public:
  explicit Flattener(const std::string& separator) : separator_(separator) {}

  Status add_members(std::string_view object, const std::string& path, int depth) {
    for (const auto& [name, value] : members_of(object)) {
      if (Status status = add(value, join(path, name, depth), depth + 1); !status) return status;
    }
    return {};
  }
  Metadata take() { return std::move(values_); }

 private:
  // A name may be empty: the depth says whether there is something before it.
  std::string join(const std::string& path, std::string_view name, int depth) const {
    return depth == 0 ? std::string(name) : fmt::format("{}{}{}", path, separator_, name);
  }

  Status add(std::string_view value, const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      return fail(Code::kInvalidArgument,
                  fmt::format("\"{}\" is nested deeper than {} levels", config::printable(path), kMaxDepth));
    }
    const JsonKind kind = json_kind(value);
    if (kind == JsonKind::kObject) return add_members(value, path, depth);
    if (kind == JsonKind::kArray) {
      JsonElements cursor(value);
      std::string_view element;
      for (int i = 0; cursor.next(element); ++i) {
        if (Status status = add(element, join(path, std::to_string(i), depth), depth + 1); !status) return status;
      }
      return {};
    }
    if (!values_.emplace(path, text_of(value)).second) {
      return fail(Code::kInvalidArgument, fmt::format("\"{}\" is there twice", config::printable(path)));
    }
    return {};
  }

  const std::string& separator_;
  Metadata values_;
};

Result<secrets::Secrets> read_single(std::string_view object, const LocalFileSecretOptions& options) {
  Flattener flattener(options.nested_separator);
  if (Status status = flattener.add_members(object, {}, 0); !status) return fail(std::move(status.error()));
  secrets::Secrets all;
  for (auto& [name, value] : flattener.take()) all[name].emplace(name, value);
  return all;
}

Result<secrets::Secrets> read_multiple(std::string_view object, const LocalFileSecretOptions& options) {
  secrets::Secrets all;
  for (const auto& [name, value] : members_of(object)) {
    const JsonKind kind = json_kind(value);
    if (kind == JsonKind::kString) {
      all[name].emplace(name, json_text(value));
    } else if (kind == JsonKind::kObject) {
      Flattener flattener(options.nested_separator);
      if (Status status = flattener.add_members(value, {}, 0); !status) {
        return fail(status.error().code, fmt::format("\"{}\": {}", config::printable(name), status.error().message));
      }
      all[name] = flattener.take();
    } else if (options.warn) {
      options.warn(fmt::format("\"{}\" is neither text nor an object: with multiValued it is left out, as in Dapr",
                               config::printable(name)));
    }
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<LocalFileSecretStore>> LocalFileSecretStore::open(const LocalFileSecretOptions& options) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::kInvalidArgument,
                fmt::format("secretsFile: {}: {}", config::printable(options.secrets_file), why));
  };
  config::Diagnostics diagnostics;
  const auto text = config::read_text_file(options.secrets_file, kMaxFileBytes, diagnostics);
  if (!text) return wrong(diagnostics.all().empty() ? "it cannot be read" : diagnostics.all().front().message);
  const Result<std::string_view> json = parse_json(*text);
  if (!json) return wrong(fmt::format("this is not JSON: {}", json.error().message));
  if (json_kind(*json) != JsonKind::kObject) return wrong("it must hold an object in JSON");
  Result<secrets::Secrets> all = options.multi_valued ? read_multiple(*json, options) : read_single(*json, options);
  if (!all) return wrong(all.error().message);
  return std::unique_ptr<LocalFileSecretStore>(new LocalFileSecretStore(std::move(*all), options.multi_valued));
}

void LocalFileSecretStore::get(const CallContext&, std::string name, Metadata, Completion<secrets::Secret> done) {
  const auto found = all_.find(name);
  if (found == all_.end()) return done(fail(Code::kNotFound, fmt::format("secret {} not found", name)));
  done(found->second);
}

void LocalFileSecretStore::bulk_get(const CallContext&, Metadata, Completion<secrets::Secrets> done) { done(all_); }

}  // namespace tandem::components
