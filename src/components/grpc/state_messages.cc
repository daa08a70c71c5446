#include "components/grpc/state_messages.h"

#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "components/grpc/connection.h"

namespace tandem::components::grpc {
namespace {

namespace wire = ::dapr::proto::components::v1;

wire::StateOptions::StateConcurrency to_wire(state::Concurrency concurrency) {
  switch (concurrency) {
    case state::Concurrency::kFirstWrite: return wire::StateOptions::CONCURRENCY_FIRST_WRITE;
    case state::Concurrency::kLastWrite: return wire::StateOptions::CONCURRENCY_LAST_WRITE;
    case state::Concurrency::kUnspecified: break;
  }
  return wire::StateOptions::CONCURRENCY_UNSPECIFIED;
}

// What a set and a delete have in common.
template <class Request, class Message>
void fill_write(Request& request, Message& message) {
  message.set_key(std::move(request.key));
  if (request.etag) message.mutable_etag()->set_value(std::move(*request.etag));
  fill(*message.mutable_metadata(), request.metadata);
  message.mutable_options()->set_concurrency(to_wire(request.concurrency));
  message.mutable_options()->set_consistency(grpc::to_wire(request.consistency));
}

template <class Map>
std::optional<std::int64_t> expiry(const Map& metadata) {
  const auto found = metadata.find("ttlExpireTime");
  google::protobuf::Timestamp time;
  if (found == metadata.end() || !google::protobuf::util::TimeUtil::FromString(found->second, &time)) {
    return std::nullopt;
  }
  return google::protobuf::util::TimeUtil::TimestampToMilliseconds(time);
}

template <class Message>
state::GetResponse value_of(Message& message) {
  if (message.data().empty() && !message.has_etag()) return {};
  return {share(std::move(*message.mutable_data())), message.etag().value(), expiry(message.metadata())};
}

}  // namespace

wire::StateOptions::StateConsistency to_wire(state::Consistency consistency) {
  switch (consistency) {
    case state::Consistency::kEventual: return wire::StateOptions::CONSISTENCY_EVENTUAL;
    case state::Consistency::kStrong: return wire::StateOptions::CONSISTENCY_STRONG;
    case state::Consistency::kUnspecified: break;
  }
  return wire::StateOptions::CONSISTENCY_UNSPECIFIED;
}

void to_wire(state::SetRequest request, wire::SetRequest& message) {
  fill_write(request, message);
  if (request.value != nullptr) message.set_value(*request.value);
  // Of a guest, which gives it as a number.
  if (request.ttl_seconds && !request.metadata.contains("ttlInSeconds")) {
    (*message.mutable_metadata())["ttlInSeconds"] = std::to_string(*request.ttl_seconds);
  }
}

void to_wire(state::DeleteRequest request, wire::DeleteRequest& message) { fill_write(request, message); }

state::GetResponse to_value(wire::GetResponse& message) { return value_of(message); }

std::vector<state::BulkGetItem> to_items(std::vector<std::string> keys, wire::BulkGetResponse& message) {
  std::map<std::string, state::BulkGetItem> found;
  for (wire::BulkStateItem& item : *message.mutable_items()) {
    state::BulkGetItem& one = found[item.key()];
    if (item.error().empty()) {
      one.value = value_of(item);
    } else {
      one.error = make_error(Code::kInternal, item.error());
    }
  }
  std::vector<state::BulkGetItem> items;
  items.reserve(keys.size());
  for (std::string& key : keys) {
    const auto at = found.find(key);
    items.push_back(at == found.end() ? state::BulkGetItem() : at->second);
    items.back().key = std::move(key);
  }
  return items;
}

}  // namespace tandem::components::grpc
