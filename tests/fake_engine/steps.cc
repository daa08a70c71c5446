#include "steps.h"

#include <atomic>

namespace tandem::fake {
namespace {

// A step that is complete at once.
template <class Action>
class Now final : public Step {
 public:
  explicit Now(Action action) : action_(std::move(action)) {}
  bool poll(tdm_instance& instance) override {
    action_(instance);
    return true;
  }

 private:
  Action action_;
};

template <class Action>
std::unique_ptr<Step> now(Action action) {
  return std::make_unique<Now<Action>>(std::move(action));
}

class Echo final : public Step {
 public:
  bool poll(tdm_instance& instance) override {
    if (!answered_) {
      answered_ = true;
      if (instance.body.complete) {
        instance.respond(200, {}, instance.body.take());
        return true;
      }
      instance.respond_streaming(200, {});
    }
    while (true) {
      // Room is looked at first: what is taken has to fit.
      if (instance.answer.body.room() == 0) return false;
      const std::string piece = instance.body.take();
      if (!piece.empty()) {
        instance.answer.body.write(piece);
      } else if (instance.body.broken) {
        throw Trap{"the request broke off"};
      } else {
        return instance.body.complete;
      }
    }
  }

 private:
  bool answered_ = false;
};

class Stream final : public Step {
 public:
  explicit Stream(std::size_t bytes) : left_(bytes) {}
  bool poll(tdm_instance& instance) override {
    if (!std::exchange(answered_, true)) instance.respond_streaming(200, {});
    while (left_ > 0) {
      const std::size_t size = std::min(left_, instance.answer.body.room());
      if (size == 0) return false;
      std::string piece;
      // The text says where in the body it stands.
      for (std::size_t i = 0; i < size; ++i) piece += static_cast<char>('a' + (written_ + i) % 26);
      instance.answer.body.write(piece);
      written_ += size;
      left_ -= size;
    }
    return true;
  }

 private:
  std::size_t left_;
  std::size_t written_ = 0;
  bool answered_ = false;
};

class Suspend final : public Step {
 public:
  explicit Suspend(std::size_t times) : times_(times) {}
  bool poll(tdm_instance& instance) override {
    if (fired_->load(std::memory_order_acquire) >= times_) return true;
    if (fired_->load(std::memory_order_acquire) == asked_) {
      ++asked_;
      instance.program().engine->elsewhere.run([waker = instance.share_waker(), fired = fired_] {
        fired->fetch_add(1, std::memory_order_acq_rel);
        waker->fire();
      });
    }
    return false;
  }

 private:
  const std::size_t times_;
  std::size_t asked_ = 0;
  const std::shared_ptr<std::atomic<std::size_t>> fired_ = std::make_shared<std::atomic<std::size_t>>(0);
};

class Forever final : public Step {
 public:
  enum class Kind { kSpinning, kWaiting };
  explicit Forever(Kind kind) : kind_(kind) {}
  bool poll(tdm_instance& instance) override {
    if (kind_ == Kind::kSpinning) instance.yield();
    return false;
  }

 private:
  const Kind kind_;
};

void from_header(tdm_instance& instance) {
  Script script;
  const auto text = instance.request_header("script");
  if (!text) throw Trap{"the request has no header \"script\""};
  if (const std::string problem = parse_script(*text, script); !problem.empty()) throw Trap{problem};
  instance.add_steps(std::move(script.steps));
}

void cut(tdm_instance& instance) { instance.answer.body.end = BodyOut::End::kCut; }

void grow(tdm_instance& instance, std::uint64_t mib) {
  const std::uint64_t bytes = mib << 20;
  if (bytes > instance.program().max_memory_bytes) throw Trap{"the guest wants more memory than it may have"};
  instance.memory_bytes = bytes;
}

}  // namespace

std::unique_ptr<Step> make_step(StepText text) {
  if (auto step = make_http_step(text)) return step;
  if (auto step = make_host_step(text)) return step;
  const std::string& verb = text.verb;
  if (verb == "log") return now([line = text.words[0]](tdm_instance& instance) { instance.log(line); });
  if (verb == "error") return now([name = text.words[0]](tdm_instance& instance) { instance.respond_error(name); });
  if (verb == "hello") return now([](tdm_instance& instance) { instance.respond(200, {}, "hello"); });
  if (verb == "cut") return now(cut);
  if (verb == "verdict") return now([word = text.words[0]](tdm_instance& instance) { instance.verdict = word; });
  if (verb == "leak") return now([](tdm_instance& instance) { ++instance.handles; });
  if (verb == "trap") return now([](tdm_instance&) { throw Trap{"wasm trap: unreachable"}; });
  if (verb == "from-header") return now(from_header);
  if (verb == "echo") return std::make_unique<Echo>();
  if (verb == "spin") return std::make_unique<Forever>(Forever::Kind::kSpinning);
  if (verb == "never-answer") return std::make_unique<Forever>(Forever::Kind::kWaiting);
  const unsigned long number = std::stoul(text.words.at(0));
  if (verb == "stream") return std::make_unique<Stream>(number * 1024);
  if (verb == "suspend") return std::make_unique<Suspend>(number);
  if (verb == "grow") return now([number](tdm_instance& instance) { grow(instance, number); });
  // "status"
  return now([number](tdm_instance& instance) { instance.respond(static_cast<std::uint16_t>(number), {}, ""); });
}

}  // namespace tandem::fake
