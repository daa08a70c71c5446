// FlagSet: the flags of one command: reads them from the arguments and writes the command's --help.
//
// Made by a command from its table, parsed once, then asked for values by name. Main's thread. Wrong arguments are a
// Result with one line that names the flag; no exception leaves.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace tandem::cli {

enum class FlagKind {
  kSwitch,       // --name, --name=false
  kValue,        // --name VALUE, once
  kValues,       // --name VALUE, any number of times
  kUnsupported,  // known from elsewhere and refused; `text` says why
};

struct Flag {
  FlagKind kind;
  std::string_view names;        // "-p,--app-port"; the last one is what the value is asked for by
  std::string_view placeholder;  // "PORT"
  std::string_view text;
  std::string_view group;  // a heading of --help; empty: not shown there, and not suggested
};

// What --help says around the flags.
struct CommandText {
  std::string_view usage;    // "tandem run [FLAGS] app.wasm"
  std::string_view summary;  // whole sentences
  std::string_view closing;  // examples and the like, with line ends
};

enum class Parsed { kArguments, kHelp };

class FlagSet final {
 public:
  // The table and the text outlive the set.
  FlagSet(const CommandText& text, std::span<const Flag> flags);
  ~FlagSet();

  // kHelp: --help was asked for, nothing else counts. Fails with kInvalidArgument.
  Result<Parsed> parse(Arguments arguments);
  std::string help() const;

  bool given(std::string_view name) const;
  std::optional<std::string> value(std::string_view name) const;
  std::vector<std::string> values(std::string_view name) const;
  bool is_on(std::string_view name) const;
  // False only when the switch was given as --name=false.
  bool is_off(std::string_view name) const;
  // What is no flag.
  const std::vector<std::string>& operands() const { return operands_; }

 private:
  class Parser;

  Status sort_left_over(const std::vector<std::string>& left_over);
  Status check_given() const;
  std::string unknown(std::string_view flag) const;

  const CommandText text_;
  const std::span<const Flag> flags_;
  std::unique_ptr<Parser> parser_;
  std::vector<std::string> operands_;
};

// Parses for a command that has nothing more to do when --help was asked for or the flags are wrong: says so, and
// returns the exit status. Nothing: the command goes on.
std::optional<int> parse_or_end(FlagSet& flags, Arguments arguments);

}  // namespace tandem::cli
