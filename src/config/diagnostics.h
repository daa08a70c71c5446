// Diagnostics: every mistake found in configuration, collected so that a user sees all of them at once.
//
// Whoever reads configuration owns one and passes it down by reference; readers report and go on with a harmless value.
// One thread at a time. Never fails; after kMaxKept entries further ones are only counted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::config {

enum class Severity { kWarning, kError };

// Where in a file: lines and columns count from 1. Line 0 means the file as a whole.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
};

struct Diagnostic {
  Severity severity = Severity::kError;
  Position position;
  std::string message;
};

class Diagnostics final {
 public:
  static constexpr std::size_t kMaxKept = 500;

  void error(Position position, std::string message);
  void warning(Position position, std::string message);

  bool has_errors() const { return errors_ > 0; }
  std::size_t error_count() const { return errors_; }
  // In the order reported, at most kMaxKept.
  const std::vector<Diagnostic>& all() const { return all_; }

  // One line each, files in the order first seen and lines ascending within a file:
  //   path/file.yaml:12: message
  //   path/file.yaml:14: warning: message
  std::string to_string() const;
  // Only the errors, or only the warnings, in the same form.
  std::string to_string(Severity severity) const;

 private:
  void add(Severity severity, Position position, std::string message);

  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
  std::size_t dropped_ = 0;
};

// The candidate that `word` was most likely meant to be, or empty when none is close.
std::string_view closest_match(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace tandem::config
