#include "api/http/target.h"

#include <utility>
#include <vector>

#include "base/percent.h"

namespace tandem::api::http {
namespace {

bool is_clean(std::string_view path) {
  if (path.empty() || path.front() != '/') return false;
  if (path.size() > 1 && path.back() == '/') return false;
  for (std::size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view segment = path.substr(slash + 1, path.find('/', slash + 1) - slash - 1);
    if (segment == "." || segment == ".." || (segment.empty() && path.size() > 1)) return false;
  }
  return true;
}

// Calls visit(name, value) for each parameter, decoded, until it returns true. Pairs that do not decode are left out.
template <class Visit>
void for_each_parameter(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;
    const std::size_t equals = pair.find('=');
    auto name = unescape_query(pair.substr(0, equals));
    auto value =
        equals == std::string_view::npos ? Result<std::string>(std::string()) : unescape_query(pair.substr(equals + 1));
    if (name && value && visit(std::move(*name), std::move(*value))) return;
  }
}

}  // namespace

Result<std::string> unescape_query(std::string_view text) { return percent_decode(text, Plus::kSpace); }
Result<std::string> unescape_path(std::string_view text) { return percent_decode(text); }

Target::Target(std::string_view target) {
  const std::size_t question = target.find('?');
  raw_path_ = target.substr(0, question);
  if (question != std::string_view::npos) query_ = target.substr(question + 1);
  if (is_clean(raw_path_)) {
    path_ = raw_path_;
  } else {
    cleaned_ = clean_path(raw_path_);
    path_ = cleaned_;
  }
  std::string_view left = path_.starts_with('/') ? path_.substr(1) : path_;
  while (!left.empty()) {
    const std::size_t slash = left.find('/');
    if (size_ < kKept) segments_[size_] = left.substr(0, slash);
    ++size_;
    left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
  }
}

std::string_view Target::rest(std::size_t i) const {
  const std::string_view first = (*this)[i];
  if (first.empty()) return {};
  return path_.substr(static_cast<std::size_t>(first.data() - path_.data()));
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  std::optional<std::string> found;
  for_each_parameter(query, [&](std::string parameter, std::string value) {
    if (parameter == name) found = std::move(value);
    return found.has_value();
  });
  return found;
}

std::vector<std::string> query_values(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  for_each_parameter(query, [&](const std::string& parameter, std::string value) {
    if (parameter == name) values.push_back(std::move(value));
    return false;
  });
  return values;
}

Metadata query_metadata(std::string_view query) {
  constexpr std::string_view kPrefix = "metadata.";
  Metadata metadata;
  for_each_parameter(query, [&](std::string parameter, std::string value) {
    if (parameter.starts_with(kPrefix)) metadata.try_emplace(parameter.substr(kPrefix.size()), std::move(value));
    return false;
  });
  return metadata;
}

}  // namespace tandem::api::http
