#include "cli/flag_set.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/flag_values.h"
#include "config/diagnostics.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

std::string_view long_name(std::string_view names) {
  const std::size_t comma = names.rfind(',');
  return comma == std::string_view::npos ? names : names.substr(comma + 1);
}

}  // namespace

// CLI11 splits the words; values are kept as they were written and read by whoever asks for them.
class FlagSet::Parser final {
 public:
  explicit Parser(std::span<const Flag> flags) {
    app.allow_extras();
    app.allow_windows_style_options(false);
    app.set_help_flag("-h,--help");
    for (const Flag& flag : flags) add(flag);
  }

  const CLI::Option* find(std::string_view name) const { return app.get_option_no_throw(std::string(name)); }

  CLI::App app;

 private:
  void add(const Flag& flag) {
    const std::string names(flag.names);
    if (flag.kind == FlagKind::kSwitch) {
      app.add_flag(names)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      return;
    }
    CLI::Option* option = app.add_option(names, [](const CLI::results_t&) { return true; });
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (flag.kind == FlagKind::kUnsupported) {
      option->expected(0, 1);
    } else {
      option->expected(1);
    }
  }
};

FlagSet::FlagSet(const CommandText& text, std::span<const Flag> flags)
    : text_(text), flags_(flags), parser_(std::make_unique<Parser>(flags)) {}

FlagSet::~FlagSet() = default;

Result<Parsed> FlagSet::parse(Arguments arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    parser_->app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return Parsed::kHelp;
  } catch (const CLI::ArgumentMismatch&) {
    // A flag takes whatever follows it, so only the last word can lack its value.
    return fail(Code::kInvalidArgument,
                fmt::format("{} needs a value", arguments.empty() ? "a flag" : config::printable(arguments.back())));
  } catch (const CLI::Error& error) {
    return fail(Code::kInvalidArgument, error.what());
  }
  if (Status known = sort_left_over(parser_->app.remaining()); !known) return fail(known.error());
  if (Status good = check_given(); !good) return fail(good.error());
  return Parsed::kArguments;
}

Status FlagSet::sort_left_over(const std::vector<std::string>& left_over) {
  bool only_operands = false;
  for (const std::string& word : left_over) {
    if (!only_operands && word == "--") {
      only_operands = true;
    } else if (!only_operands && word.size() > 1 && word.starts_with('-')) {
      return fail(Code::kInvalidArgument, unknown(word));
    } else {
      operands_.push_back(word);
    }
  }
  return {};
}

Status FlagSet::check_given() const {
  for (const Flag& flag : flags_) {
    const std::string_view name = long_name(flag.names);
    const CLI::Option* option = parser_->find(name);
    if (option->count() == 0) continue;
    if (flag.kind == FlagKind::kUnsupported) return fail(Code::kInvalidArgument, fmt::format("{} {}", name, flag.text));
    if (flag.kind == FlagKind::kValue && option->count() > 1) {
      return fail(Code::kInvalidArgument,
                  fmt::format("{} is given {} times; it takes one value", name, option->count()));
    }
    if (flag.kind != FlagKind::kSwitch) continue;
    for (const std::string& value : option->results()) {
      if (auto parsed = parse_boolean(value); !parsed) {
        return fail(Code::kInvalidArgument, fmt::format("{}: {}", name, parsed.error().message));
      }
    }
  }
  return {};
}

std::string FlagSet::unknown(std::string_view flag) const {
  const std::string_view name = flag.substr(0, flag.find('='));
  std::vector<std::string_view> names = {"--help"};
  for (const Flag& known : flags_) {
    if (!known.group.empty()) names.push_back(long_name(known.names));
  }
  const std::string_view close = config::closest_match(name, names);
  const std::string_view command = text_.usage.substr(0, text_.usage.find(" ["));
  return fmt::format("there is no flag \"{}\"{} ({} --help lists what there is)", config::printable(name),
                     close.empty() ? "" : fmt::format("; did you mean \"{}\"?", close), command);
}

bool FlagSet::given(std::string_view name) const {
  const CLI::Option* option = parser_->find(name);
  return option != nullptr && option->count() > 0;
}

std::optional<std::string> FlagSet::value(std::string_view name) const {
  if (!given(name)) return std::nullopt;
  return parser_->find(name)->results().back();
}

std::vector<std::string> FlagSet::values(std::string_view name) const {
  if (!given(name)) return {};
  return parser_->find(name)->results();
}

bool FlagSet::is_on(std::string_view name) const {
  const auto text = value(name);
  return text && parse_boolean(*text).value_or(false);
}

bool FlagSet::is_off(std::string_view name) const { return given(name) && !is_on(name); }

std::string FlagSet::help() const {
  constexpr std::size_t kColumn = 42;
  std::string out = fmt::format("{}\n\nUsage: {}\n", text_.summary, text_.usage);
  std::vector<std::string_view> groups;
  for (const Flag& flag : flags_) {
    if (flag.group.empty()) continue;
    if (std::find(groups.begin(), groups.end(), flag.group) == groups.end()) groups.push_back(flag.group);
  }
  for (std::string_view group : groups) {
    out += fmt::format("\n{}:\n", group);
    for (const Flag& flag : flags_) {
      if (flag.group != group) continue;
      std::string left(flag.names.starts_with("--") ? "      " : "  ");
      left += flag.names;
      if (const std::size_t comma = left.find(','); comma != std::string::npos) left.insert(comma + 1, " ");
      if (!flag.placeholder.empty()) left += fmt::format(" {}", flag.placeholder);
      if (left.size() + 2 > kColumn) left += "\n" + std::string(kColumn, ' ');
      out += fmt::format("{:<{}}{}\n", left, kColumn, flag.text);
    }
  }
  out += fmt::format("  {:<{}}{}\n", "-h, --help", kColumn - 2, "print this");
  if (!text_.closing.empty()) out += fmt::format("\n{}", text_.closing);
  return out;
}

std::optional<int> parse_or_end(FlagSet& flags, Arguments arguments) {
  const Result<Parsed> parsed = flags.parse(arguments);
  if (!parsed) {
    print_error(parsed.error().message);
    return 1;
  }
  if (*parsed == Parsed::kArguments) return std::nullopt;
  print(flags.help());
  return 0;
}

}  // namespace tandem::cli
