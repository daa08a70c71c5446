#include "blocks/pubsub/bulk_delivery.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"
#include "blocks/pubsub/cloud_event.h"

namespace tandem::pubsub {
namespace {

constexpr std::string_view kRawType = "application/octet-stream";
constexpr std::string_view kBulkEventType = "com.dapr.event.sent.bulk";

std::size_t most_of(const config::BulkSubscribe& wanted) {
  if (wanted.max_messages_count <= 0) return BulkDelivering::kDefaultMessages;
  return std::min(static_cast<std::size_t>(wanted.max_messages_count), BulkDelivering::kMaxMessages);
}

std::chrono::milliseconds wait_of(const config::BulkSubscribe& wanted) {
  if (wanted.max_await_duration_ms <= 0) return BulkDelivering::kDefaultWait;
  return std::chrono::milliseconds(wanted.max_await_duration_ms);
}

Verdict verdict_of_word(std::string_view word) {
  if (word == "SUCCESS") return Verdict::kSuccess;
  return word == "DROP" ? Verdict::kDrop : Verdict::kRetry;
}

// Entry id -> verdict; none when the body is not what it should be. Go finds a field whatever the case of its name.
std::optional<std::map<std::string, Verdict>> read_statuses(std::string_view body) {
  const Result<std::string_view> value = parse_json(body);
  if (!value || json_kind(*value) != JsonKind::kObject) return std::nullopt;
  std::map<std::string, Verdict> statuses;
  JsonMembers members(*value);
  std::string name;
  std::string_view list;
  while (members.next(name, list)) {
    if (!equals_ignoring_case(name, "statuses") || json_kind(list) == JsonKind::kNull) continue;
    if (json_kind(list) != JsonKind::kArray) return std::nullopt;
    JsonElements elements(list);
    std::string_view element;
    while (elements.next(element)) {
      if (json_kind(element) != JsonKind::kObject) return std::nullopt;
      std::string id;
      std::string word;
      JsonMembers fields(element);
      std::string_view field;
      while (fields.next(name, field)) {
        std::string* into = equals_ignoring_case(name, "entryId")  ? &id
                            : equals_ignoring_case(name, "status") ? &word
                                                                   : nullptr;
        if (into == nullptr) continue;
        Result<std::string> text = json_string_field(field, name);
        if (!text) return std::nullopt;
        *into = std::move(*text);
      }
      statuses[id] = verdict_of_word(word);
    }
  }
  return statuses;
}

}  // namespace

BulkDelivering::BulkDelivering(std::shared_ptr<const Delivering> delivering, const config::BulkSubscribe& wanted,
                               TimedExecutor& timers)
    : delivering_(std::move(delivering)), most_(most_of(wanted)), wait_(wait_of(wanted)), timers_(timers) {}

void BulkDelivering::add(Message message, Completion<Verdict> done) {
  BulkItem item{.entry_id = random_uuid(), .event = message.data, .metadata = message.metadata};
  EventForm form = EventForm::kText;
  std::string id;
  if (delivering_->raw_payload) {
    item.content_type = message.content_type.empty() ? kRawType : message.content_type;
  } else {
    std::optional<EventFacts> facts = open_envelope(*delivering_, message);
    if (!facts) return give_up(delivering_, message, Verdict::kDrop, std::move(done));
    item.content_type = message.content_type.empty() ? kCloudEventType : message.content_type;
    form = EventForm::kJson;
    id = std::move(facts->id);
  }
  const std::string* route = delivering_->routes.only();
  if (route == nullptr) {
    const Result<const std::string*> found = route_of(*delivering_, message, *message.data, form, id);
    if (!found) return give_up(delivering_, message, Verdict::kRetry, std::move(done));
    route = *found;
  }
  if (route == nullptr) {
    if (delivering_->log) {
      delivering_->log->warn("tandem.pubsub", "no matching route for event; skipping",
                             {{"pubsub", delivering_->pubsub}, {"topic", message.topic}, {"id", id}});
    }
    return give_up(delivering_, message, Verdict::kDrop, std::move(done));
  }
  Batch full;
  {
    const std::lock_guard lock(mutex_);
    bytes_ += message.data->size();
    waiting_.push_back({route, std::move(item), std::move(message), std::move(done)});
    if (waiting_.size() >= most_ || bytes_ >= kEnoughBytes) {
      full = take();
    } else if (waiting_.size() == 1) {
      timers_.post_after(wait_, [weak = weak_from_this(), number = number_] {
        const auto self = weak.lock();
        if (self == nullptr) return;
        Batch late;
        {
          const std::lock_guard relock(self->mutex_);
          if (self->number_ == number) late = self->take();
        }
        self->send(std::move(late));
      });
    }
  }
  send(std::move(full));
}

void BulkDelivering::flush() {
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    batch = take();
  }
  send(std::move(batch));
}

BulkDelivering::Batch BulkDelivering::take() {
  ++number_;
  bytes_ = 0;
  return std::exchange(waiting_, {});
}

void BulkDelivering::send(Batch batch) {
  if (batch.empty()) return;
  if (const std::string* only = delivering_->routes.only()) return send_to(*only, std::move(batch));
  std::vector<Batch> batches;
  for (Waiting& one : batch) {
    const auto same_route = [&](const Batch& other) { return *other.front().route == *one.route; };
    const auto found = std::ranges::find_if(batches, same_route);
    Batch& into = found == batches.end() ? batches.emplace_back() : *found;
    into.push_back(std::move(one));
  }
  for (Batch& one : batches) {
    const std::string& route = *one.front().route;
    send_to(route, std::move(one));
  }
}

void BulkDelivering::send_to(const std::string& route, Batch batch) {
  BulkDelivery delivery{.id = random_uuid(),
                        .pubsub = delivering_->pubsub,
                        .topic = batch.front().message.topic,
                        .route = route,
                        .raw_payload = delivering_->raw_payload,
                        .metadata = {{"pubsubName", delivering_->pubsub}}};
  delivery.items.reserve(batch.size());
  for (Waiting& one : batch) {
    delivery.give_up_by = std::min(delivery.give_up_by, one.message.give_up_by);
    delivery.items.push_back(std::move(one.item));
  }
  Completion<std::vector<Verdict>> settled =
      [self = shared_from_this(), batch = std::move(batch)](const Result<std::vector<Verdict>>& verdicts) mutable {
        self->settle_all(batch, verdicts);
      };
  if (delivering_->guard == nullptr) return delivering_->sink.deliver_bulk(std::move(delivery), std::move(settled));
  delivering_->guard->deliver_bulk(
      delivering_->app_id, std::move(delivery),
      [delivering = delivering_](BulkDelivery some, Completion<std::vector<Verdict>> ended) {
        delivering->sink.deliver_bulk(std::move(some), std::move(ended));
      },
      std::move(settled));
}

void BulkDelivering::settle_all(Batch& batch, const Result<std::vector<Verdict>>& verdicts) const {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Result<Verdict> verdict = Verdict::kRetry;
    if (!verdicts) {
      verdict = fail(verdicts.error());
    } else if (i < verdicts->size()) {
      verdict = (*verdicts)[i];
    }
    settle(delivering_, batch[i].message, verdict, std::move(batch[i].done));
  }
}

std::vector<Verdict> verdicts_of_bulk_response(int status, std::string_view body, const std::vector<BulkItem>& items) {
  if (status == 404) return std::vector(items.size(), Verdict::kDrop);
  std::vector<Verdict> verdicts(items.size(), Verdict::kRetry);
  if (status < 200 || status > 299) return verdicts;
  const auto statuses = read_statuses(body);
  if (!statuses) return verdicts;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (const auto found = statuses->find(items[i].entry_id); found != statuses->end()) verdicts[i] = found->second;
  }
  return verdicts;
}

std::string bulk_json(const BulkDelivery& delivery) {
  // Members in the order in which daprd has them.
  std::string json = "{\"entries\":[";
  for (const BulkItem& item : delivery.items) {
    if (json.back() != '[') json += ',';
    json += "{\"entryId\":";
    append_json_string(json, item.entry_id);
    json += ",\"event\":";
    if (delivery.raw_payload) {
      json.append("\"").append(base64_encode(*item.event)).append("\"");
    } else {
      json += *item.event;
    }
    json += ",\"metadata\":";
    append_json_map(json, item.metadata);
    json += ",\"contentType\":";
    append_json_string(json, item.content_type);
    json += '}';
  }
  json += "],\"id\":";
  append_json_string(json, delivery.id);
  json += ",\"metadata\":";
  append_json_map(json, delivery.metadata);
  json += ",\"pubsubname\":";
  append_json_string(json, delivery.pubsub);
  json += ",\"topic\":";
  append_json_string(json, delivery.topic);
  json += ",\"type\":";
  append_json_string(json, kBulkEventType);
  json += '}';
  return json;
}

}  // namespace tandem::pubsub
