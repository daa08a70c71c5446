// Steps of a script that call host functions: get, set, publish, invoke.
#include "reply.h"
#include "steps.h"

namespace tandem::fake {
namespace {

template <class Table>
const Table& linked(const std::optional<Table>& table) {
  if (!table) throw Trap{"the linker has no such interface"};
  return *table;
}

class HostCall final : public Step {
 public:
  explicit HostCall(StepText text) : text_(std::move(text)) {}
  ~HostCall() override {
    if (state_) state_->abandon();
  }

  bool poll(tdm_instance& instance) override {
    if (!state_) start(instance);
    const std::optional<Answered> answered = state_->take();
    if (!answered) return false;
    if (answered->failed) {
      instance.respond(500, {}, answered->error);
    } else if (answered->value) {
      instance.respond(answered->status != 0 ? answered->status : 200, {}, *answered->value);
    } else {
      instance.respond(204, {}, "");
    }
    return true;
  }

 private:
  // As the guest's host function would: the views live until it returns.
  void start(tdm_instance& instance) {
    const HostTables& tables = instance.program().tables;
    const auto word = [this](std::size_t i) { return span(text_.words[i]); };
    if (text_.verb == "get") {
      const tdm_state_vtable& state = linked(tables.state);
      tdm_reply* reply = expect(instance, ReplyState::Kind::kValue);
      const InCallback inside;
      state.get(instance.user(), word(0), word(1), reply);
    } else if (text_.verb == "set") {
      const tdm_state_vtable& state = linked(tables.state);
      tdm_reply* reply = expect(instance, ReplyState::Kind::kDone);
      const InCallback inside;
      state.set(instance.user(), word(0), word(1), word(2), reply);
    } else if (text_.verb == "publish") {
      const tdm_pubsub_vtable& pubsub = linked(tables.pubsub);
      tdm_reply* reply = expect(instance, ReplyState::Kind::kDone);
      tdm_publish_entry entry{};
      entry.data = word(2);
      const InCallback inside;
      pubsub.publish(instance.user(), word(0), word(1), &entry, reply);
    } else {
      const tdm_invoke_vtable& invoke = linked(tables.invoke);
      tdm_reply* reply = expect(instance, ReplyState::Kind::kResponse);
      tdm_invoke_request request{};
      request.method = span("GET");
      request.path = word(1);
      request.body = span("");
      const InCallback inside;
      invoke.call(instance.user(), word(0), &request, reply);
    }
  }

  tdm_reply* expect(tdm_instance& instance, ReplyState::Kind kind) {
    state_ = std::make_shared<ReplyState>(kind, instance.share_waker());
    return make_reply(state_);
  }

  const StepText text_;
  std::shared_ptr<ReplyState> state_;
};

}  // namespace

std::unique_ptr<Step> make_host_step(StepText& text) {
  if (text.verb != "get" && text.verb != "set" && text.verb != "publish" && text.verb != "invoke") return nullptr;
  return std::make_unique<HostCall>(std::move(text));
}

}  // namespace tandem::fake
