// FlagReader: takes values from a FlagSet or the environment and collects what is wrong with them, so that a user sees
// all of it at once.
//
// Lives while the arguments of one command are read, on main's thread. Borrows flags and environment.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/flag_set.h"

namespace tandem::cli {

class FlagReader final {
 public:
  FlagReader(const FlagSet& flags, const Environment& environment) : flags_(flags), environment_(environment) {}

  const FlagSet& flags() const { return flags_; }
  std::string environment(std::string_view name) const { return environment_(name); }

  // The flag's value, read by `parse(text) -> Result`. Nullopt when it was not given or is wrong.
  template <class Parse>
  auto take(std::string_view flag, Parse parse) {
    return read(flag, flags_.value(flag), std::move(parse));
  }
  // The same, and the environment variable when the flag was not given.
  template <class Parse>
  auto take(std::string_view flag, std::string_view variable, Parse parse) {
    if (flags_.given(flag)) return read(flag, flags_.value(flag), std::move(parse));
    std::string text = environment_(variable);
    return read(fmt::format("{} (environment)", variable), text.empty() ? std::nullopt : std::optional(std::move(text)),
                std::move(parse));
  }
  template <class Parse>
  auto take_all(std::string_view flag, Parse parse) {
    std::vector<typename decltype(parse(std::string()))::value_type> values;
    for (std::string& text : flags_.values(flag)) {
      if (auto value = read(flag, std::move(text), parse)) values.push_back(std::move(*value));
    }
    return values;
  }

  void error(std::string message) { errors_.push_back(std::move(message)); }
  // Two flags of which only one may be given.
  void exclude(std::string_view one, std::string_view other, std::string_view why) {
    if (flags_.given(one) && flags_.given(other)) error(fmt::format("{} and {}: {}", one, other, why));
  }

  Status status() const {
    if (errors_.empty()) return {};
    return fail(Code::kInvalidArgument, fmt::format("{}", fmt::join(errors_, "\n")));
  }

 private:
  template <class Parse>
  auto read(std::string_view source, std::optional<std::string> text, Parse parse) {
    std::optional<typename decltype(parse(std::string()))::value_type> out;
    if (!text) return out;
    auto value = parse(*text);
    if (value) {
      out = std::move(*value);
    } else {
      error(fmt::format("{}: {}", source, value.error().message));
    }
    return out;
  }

  const FlagSet& flags_;
  const Environment& environment_;
  std::vector<std::string> errors_;
};

}  // namespace tandem::cli
