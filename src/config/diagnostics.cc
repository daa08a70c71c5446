#include "config/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "config/text.h"

namespace tandem::config {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string render(const std::vector<Diagnostic>& all, std::optional<Severity> only, std::size_t dropped) {
  std::vector<std::string_view> files;
  for (const auto& entry : all) {
    if (std::find(files.begin(), files.end(), entry.position.file) == files.end()) files.push_back(entry.position.file);
  }
  std::string out;
  for (std::string_view file : files) {
    std::multimap<int, const Diagnostic*> by_line;  // equal lines keep their order
    for (const auto& entry : all) {
      if (entry.position.file == file && (!only || *only == entry.severity))
        by_line.emplace(entry.position.line, &entry);
    }
    for (const auto& [line, entry] : by_line) {
      if (!file.empty()) fmt::format_to(std::back_inserter(out), "{}:", file);
      if (line > 0) fmt::format_to(std::back_inserter(out), "{}:", line);
      if (!file.empty()) out += ' ';
      if (entry->severity == Severity::kWarning) out += "warning: ";
      out += entry->message;
      out += '\n';
    }
  }
  if (dropped > 0) fmt::format_to(std::back_inserter(out), "... and {} more\n", dropped);
  return out;
}

}  // namespace

void Diagnostics::error(Position position, std::string message) {
  ++errors_;
  add(Severity::kError, std::move(position), std::move(message));
}

void Diagnostics::warning(Position position, std::string message) {
  add(Severity::kWarning, std::move(position), std::move(message));
}

void Diagnostics::add(Severity severity, Position position, std::string message) {
  if (all_.size() >= kMaxKept) {
    ++dropped_;
    return;
  }
  all_.push_back({severity, std::move(position), std::move(message)});
}

std::string Diagnostics::to_string() const { return render(all_, std::nullopt, dropped_); }

std::string Diagnostics::to_string(Severity severity) const { return render(all_, severity, dropped_); }

std::string_view closest_match(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kLongestWord = 64;
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string folded = to_lower(word);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (std::string_view candidate : candidates) {
    std::size_t distance = edit_distance(folded, to_lower(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace tandem::config
