// The entries of tandem_wit.h by which events come to a guest's exports.
//
// The script runs as for a request, whose headers are the event's attributes (the metadata of a binding's event, the
// items of an update) and whose body is its data. The guest's answer to an event is its verdict; a binding hears the
// body of the script's answer, and a status of 300 or more refuses an event or an update.
#include <utility>

#include "instance.h"

using namespace tandem::fake;

namespace {

class Using final {
 public:
  explicit Using(const tdm_instance* instance) : use_((check(instance), *instance)) {}

 private:
  static void check(const tdm_instance* instance) {
    require(!instance->over(), "an instance is not used after its end");
  }
  const Tracked::Use use_;
};

std::int32_t verdict_of(const tdm_instance& instance) {
  const std::string& word = instance.verdict;
  if (word == "success") return TDM_VERDICT_SUCCESS;
  return word == "drop" ? TDM_VERDICT_DROP : TDM_VERDICT_RETRY;
}

bool refused(const tdm_instance& instance) { return instance.answer.status >= 300; }

}  // namespace

void tdm_topic_handle(tdm_instance* instance, int32_t, const tdm_topic_event* event,
                      void (*answer)(void* call, int32_t verdict, tdm_str why), void* call) {
  const Using use(instance);
  instance->start_event({event->attributes, event->attributes_count}, event->data, call,
                        [answer, call](tdm_instance& self) { answer(call, verdict_of(self), span("")); });
}

void tdm_topic_subscriptions(tdm_instance* instance,
                             void (*answer)(void* call, const tdm_topic_subscription* all, size_t count), void* call) {
  const Using use(instance);
  instance->start_event({}, span(""), call, [answer, call](tdm_instance& self) {
    std::vector<tdm_topic_subscription> all;
    for (const auto& [pubsub, topic] : self.program().script.subscriptions) {
      all.push_back({.pubsub = span(pubsub), .topic = span(topic)});
    }
    answer(call, all.data(), all.size());
  });
}

void tdm_binding_handle(tdm_instance* instance, const tdm_binding_event* event,
                        void (*answer)(void* call, const tdm_binding_response* response, tdm_str why), void* call) {
  const Using use(instance);
  instance->start_event({event->metadata, event->metadata_count}, event->data, call,
                        [answer, call](tdm_instance& self) {
                          if (refused(self)) return answer(call, nullptr, span("the script says so"));
                          const tdm_binding_response response{.data = span(self.answer.body.buffer)};
                          answer(call, &response, span(""));
                        });
}

void tdm_binding_names(tdm_instance* instance, void (*answer)(void* call, const tdm_str* names, size_t count),
                       void* call) {
  const Using use(instance);
  instance->start_event({}, span(""), call, [answer, call](tdm_instance& self) {
    std::vector<tdm_str> names;
    for (const auto& [_, name] : self.program().script.subscriptions) names.push_back(span(name));
    answer(call, names.data(), names.size());
  });
}

void tdm_configuration_handle(tdm_instance* instance, const tdm_configuration_update* update,
                              void (*answer)(void* call, bool taken, tdm_str why), void* call) {
  const Using use(instance);
  std::vector<tdm_header> headers;
  for (std::size_t i = 0; i < update->items_count; ++i)
    headers.push_back({update->items[i].key, update->items[i].value});
  instance->start_event(headers, span(""), call, [answer, call](tdm_instance& self) {
    answer(call, !refused(self), span(refused(self) ? "the script says so" : ""));
  });
}

void tdm_configuration_wishes(tdm_instance* instance,
                              void (*answer)(void* call, const tdm_configuration_question* all, size_t count),
                              void* call) {
  const Using use(instance);
  instance->start_event({}, span(""), call, [answer, call](tdm_instance& self) {
    std::vector<tdm_configuration_question> all;
    for (const auto& [store, _] : self.program().script.subscriptions) all.push_back({.store = span(store)});
    answer(call, all.data(), all.size());
  });
}

tdm_error* tdm_wit_handlers_add(tdm_linker* linker) {
  if (std::exchange(linker->tables.handlers, true)) {
    return make_error(TDM_ERROR_LINK, "the handlers of events are in the linker already");
  }
  return nullptr;
}
