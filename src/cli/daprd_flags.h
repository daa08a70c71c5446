// The flags of `tandem daprd`: all those of daprd 1.18, under their names and with their defaults, read as daprd reads
// them: "--flag value", "--flag=value" and the same with one dash; a switch takes no word after it.
//
// A table of constants, and DaprdFlags: made from the arguments of one run, then asked for values by name (without
// dashes). Main's thread. Wrong arguments are a Result with one line that names the flag.
// Source: https://docs.dapr.io/reference/arguments-annotations-overview/ and daprd 1.18.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace tandem::cli {

enum class DaprdType { kText, kSwitch, kInteger, kDuration, kTexts };
enum class DaprdUse {
  kTaken,
  kIdle,  // nothing here has a use for it: a line in the log when it is given; `text` says why
};

struct DaprdFlag {
  std::string_view name;
  DaprdType type;
  std::string_view initial;  // as daprd prints it; empty: none
  DaprdUse use;
  std::string_view text;
};

std::span<const DaprdFlag> daprd_flags();
std::string daprd_help();

class DaprdFlags final {
 public:
  // Fails with kInvalidArgument. What is no flag is passed over, as daprd does.
  static Result<DaprdFlags> parse(Arguments arguments);

  bool wants_help() const { return wants_help_; }
  bool given(std::string_view name) const { return given_.contains(name); }
  // The last value that was given, else daprd's default.
  std::string text(std::string_view name) const;
  bool is_on(std::string_view name) const;
  long long integer(std::string_view name) const;
  // All values, lists with commas taken apart.
  std::vector<std::string> texts(std::string_view name) const;
  // Those of kIdle that were given.
  std::vector<const DaprdFlag*> idle() const;

 private:
  std::map<std::string_view, std::vector<std::string>> given_;
  bool wants_help_ = false;
};

}  // namespace tandem::cli
