#include "host/configuration_calls.h"

#include <span>
#include <string>
#include <utility>

#include "host/guest_reply.h"
#include "tandem_wit.h"

namespace tandem::host {
namespace {

class UpdateCall final : public GuestCall {
 public:
  UpdateCall(configuration::Update update, SteadyTime deadline, Completion<void> done)
      : update_(std::move(update)), noted_(std::move(done)) {
    context_.deadline = deadline;
  }

  std::string_view name() const override { return "configuration-handler.handle"; }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    metadata_.reserve(update_.items.size());
    for (const auto& [key, item] : update_.items) {
      const std::vector<tdm_header>& its = metadata_.emplace_back(spans_of(item.metadata));
      items_.push_back({span(key), span(item.value), span(item.version), its.data(), its.size()});
    }
    raw_ = {.store = span(update_.store), .id = span(update_.id), .items = items_.data(), .items_count = items_.size()};
    const auto answer = [](void* call, bool taken, tdm_str why) {
      Status status;
      if (!taken) status = fail(Code::kInternal, "the app has not taken the update: " + std::string(view(why)));
      static_cast<UpdateCall*>(call)->noted_.note(std::move(status));
    };
    tdm_configuration_handle(instance.raw(), &raw_, answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  const configuration::Update update_;
  CallContext context_;
  std::vector<std::vector<tdm_header>> metadata_;
  std::vector<tdm_setting> items_;
  tdm_configuration_update raw_{};
  NotedAnswer<void> noted_;
};

class WishesCall final : public GuestCall {
 public:
  using Wishes = std::vector<configuration::Wish>;

  WishesCall(SteadyTime deadline, Completion<Wishes> done) : noted_(std::move(done)) { context_.deadline = deadline; }

  std::string_view name() const override { return "configuration-handler.subscriptions"; }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    const auto answer = [](void* call, const tdm_configuration_question* all, std::size_t count) {
      Wishes wishes;
      for (const tdm_configuration_question& one : std::span(all, count)) {
        configuration::Wish wish{.store = std::string(view(one.store)),
                                 .keys = {},
                                 .metadata = metadata_of(one.metadata, one.metadata_count)};
        for (const tdm_str& key : std::span(one.keys, one.keys_count)) wish.keys.emplace_back(view(key));
        wishes.push_back(std::move(wish));
      }
      static_cast<WishesCall*>(call)->noted_.note(std::move(wishes));
    };
    tdm_configuration_wishes(instance.raw(), answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  CallContext context_;
  NotedAnswer<Wishes> noted_;
};

}  // namespace

std::unique_ptr<GuestCall> make_update_call(configuration::Update update, SteadyTime deadline, Completion<void> done) {
  return std::make_unique<UpdateCall>(std::move(update), deadline, std::move(done));
}

std::unique_ptr<GuestCall> make_wishes_call(SteadyTime deadline, Completion<std::vector<configuration::Wish>> done) {
  return std::make_unique<WishesCall>(deadline, std::move(done));
}

}  // namespace tandem::host
