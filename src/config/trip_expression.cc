#include "config/trip_expression.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "config/text.h"

namespace tandem::config {

// One pass over the text; a mistake stops it.
class TripParser final {
 public:
  explicit TripParser(std::string_view text) : rest_(text) {}

  Result<TripExpression> parse() {
    TripExpression out;
    out.program_.clear();
    program_ = &out.program_;
    if (Status read = read_or(); !read) return fail(std::move(read.error()));
    skip_blanks();
    if (!rest_.empty()) return refuse(rest_);
    return out;
  }

 private:
  using Step = TripExpression::Step;
  using Operand = TripExpression::Operand;

  static std::unexpected<Error> refuse(std::string_view at) {
    constexpr std::string_view kTaken =
        "this version takes comparisons of requests, totalSuccesses, totalFailures, consecutiveSuccesses and "
        "consecutiveFailures with whole numbers, joined by && and ||";
    return fail(Code::kInvalidArgument, at.empty() ? fmt::format("it ends too early; {}", kTaken)
                                                   : fmt::format("cannot use \"{}\"; {}", printable(at), kTaken));
  }

  void skip_blanks() { rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  bool take(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  Status read_or() {
    if (Status read = read_and(); !read) return read;
    while (take("||")) {
      if (Status read = read_and(); !read) return read;
      program_->push_back({.step = Step::kOr, .left = {}, .right = {}});
    }
    return {};
  }

  Status read_and() {
    if (Status read = read_one(); !read) return read;
    while (take("&&")) {
      if (Status read = read_one(); !read) return read;
      program_->push_back({.step = Step::kAnd, .left = {}, .right = {}});
    }
    return {};
  }

  // The text is short, so it nests no deeper than a stack holds.
  Status read_one() {
    skip_blanks();
    if (rest_.starts_with('!') && !rest_.starts_with("!=")) {
      rest_.remove_prefix(1);
      if (Status read = read_one(); !read) return read;
      program_->push_back({.step = Step::kNot, .left = {}, .right = {}});
      return {};
    }
    if (take("(")) {
      if (Status read = read_or(); !read) return read;
      if (!take(")")) return refuse(rest_);
      return {};
    }
    return read_comparison();
  }

  Status read_comparison() {
    Result<Operand> left = read_operand();
    if (!left) return fail(std::move(left.error()));
    constexpr std::array<std::pair<std::string_view, Step>, 6> kSteps = {{{"<=", Step::kLessEqual},
                                                                          {">=", Step::kGreaterEqual},
                                                                          {"==", Step::kEqual},
                                                                          {"!=", Step::kNotEqual},
                                                                          {"<", Step::kLess},
                                                                          {">", Step::kGreater}}};
    for (const auto& [sign, step] : kSteps) {
      if (!take(sign)) continue;
      Result<Operand> right = read_operand();
      if (!right) return fail(std::move(right.error()));
      program_->push_back({.step = step, .left = *left, .right = *right});
      return {};
    }
    return refuse(rest_);
  }

  Result<Operand> read_operand() {
    skip_blanks();
    const std::string_view from_here = rest_;
    Operand operand;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), operand.number);
    if (failure == std::errc()) {
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      // "5.0", "5u" and "0x5" are other types, which CEL does not compare with these.
      if (!rest_.empty() && (is_letter(rest_.front()) || rest_.front() == '.')) return refuse(from_here);
      return operand;
    }
    std::size_t length = 0;
    while (length < rest_.size() && is_letter(rest_[length])) ++length;
    const std::string_view name = rest_.substr(0, length);
    constexpr std::array<std::pair<std::string_view, TripExpression::Count>, 5> kCounts = {
        {{"requests", &BreakerCounts::requests},
         {"totalSuccesses", &BreakerCounts::total_successes},
         {"totalFailures", &BreakerCounts::total_failures},
         {"consecutiveSuccesses", &BreakerCounts::consecutive_successes},
         {"consecutiveFailures", &BreakerCounts::consecutive_failures}}};
    for (const auto& [known, count] : kCounts) {
      if (name != known) continue;
      rest_.remove_prefix(length);
      operand.count = count;
      return operand;
    }
    return refuse(from_here);
  }

  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }

  std::string_view rest_;
  std::vector<TripExpression::Instruction>* program_ = nullptr;
};

TripExpression::TripExpression()
    : program_({{.step = Step::kGreater,
                 .left = {.count = &BreakerCounts::consecutive_failures},
                 .right = {.count = nullptr, .number = 5}}}) {}

Result<TripExpression> TripExpression::parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return fail(Code::kInvalidArgument, fmt::format("it is longer than {} bytes", kMaxBytes));
  }
  return TripParser(text).parse();
}

bool TripExpression::trips(const BreakerCounts& counts) const {
  const auto value = [&](const Operand& operand) {
    return operand.count != nullptr ? counts.*operand.count : operand.number;
  };
  std::vector<bool> stack;
  const auto pop = [&] {
    const bool top = stack.back();
    stack.pop_back();
    return top;
  };
  for (const Instruction& one : program_) {
    switch (one.step) {
      case Step::kLess: stack.push_back(value(one.left) < value(one.right)); break;
      case Step::kLessEqual: stack.push_back(value(one.left) <= value(one.right)); break;
      case Step::kGreater: stack.push_back(value(one.left) > value(one.right)); break;
      case Step::kGreaterEqual: stack.push_back(value(one.left) >= value(one.right)); break;
      case Step::kEqual: stack.push_back(value(one.left) == value(one.right)); break;
      case Step::kNotEqual: stack.push_back(value(one.left) != value(one.right)); break;
      case Step::kNot: stack.push_back(!pop()); break;
      case Step::kAnd:
      case Step::kOr: {
        const bool right = pop();
        const bool left = pop();
        stack.push_back(one.step == Step::kAnd ? left && right : left || right);
        break;
      }
    }
  }
  return pop();
}

}  // namespace tandem::config
