#include "blocks/state/state_store.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

namespace tandem::state {
namespace {

constexpr std::string_view kMismatchReason = "ERR_STATE_ETAG_MISMATCH";
constexpr std::string_view kInvalidReason = "ERR_STATE_ETAG_INVALID";
constexpr std::string_view kMismatchText = "possible etag mismatch. error from state store";
constexpr std::int64_t kLongestTtl = 100LL * 366 * 24 * 60 * 60;  // a hundred years
constexpr std::string_view kInvalidText = "invalid etag value";

std::string with_detail(std::string_view text, std::string_view detail) {
  std::string message(text);
  if (!detail.empty()) message.append(": ").append(detail);
  return message;
}

// StateService gives a failed write these reasons, and the codes of an ETag failure to nothing else.
bool is_write_reason(std::string_view reason) {
  return reason == "ERR_STATE_SAVE" || reason == "ERR_STATE_DELETE" || reason == "ERR_STATE_BULK_DELETE";
}

// Waits for all items of a bulk write and keeps the error that the caller should see.
class BulkWrite final {
 public:
  BulkWrite(std::size_t count, Completion<void> done) : left_(count), done_(std::move(done)) {}

  void item_done(Result<void> result) {
    std::unique_lock lock(mutex_);
    if (!result && (!error_ || (is_etag(result.error()) && !is_etag(*error_)))) error_ = std::move(result.error());
    if (--left_ > 0) return;
    lock.unlock();
    if (error_) {
      done_(std::unexpected(std::move(*error_)));
    } else {
      done_({});
    }
  }

 private:
  static bool is_etag(const Error& error) { return is_etag_mismatch(error) || is_etag_invalid(error); }

  std::mutex mutex_;
  std::size_t left_;
  std::optional<Error> error_;
  Completion<void> done_;
};

class BulkRead final {
 public:
  BulkRead(std::vector<std::string> keys, Completion<std::vector<BulkGetItem>> done)
      : items_(keys.size()), left_(keys.size()), done_(std::move(done)) {
    for (std::size_t i = 0; i < keys.size(); ++i) items_[i].key = std::move(keys[i]);
  }

  std::string_view key(std::size_t index) const { return items_[index].key; }

  void item_done(std::size_t index, Result<GetResponse> result) {
    std::unique_lock lock(mutex_);
    if (result) {
      items_[index].value = std::move(*result);
    } else {
      items_[index].error = std::move(result.error());
    }
    if (--left_ > 0) return;
    lock.unlock();
    done_(std::move(items_));
  }

 private:
  std::mutex mutex_;
  std::vector<BulkGetItem> items_;
  std::size_t left_;
  Completion<std::vector<BulkGetItem>> done_;
};

}  // namespace

Error etag_mismatch(std::string_view detail) {
  return {Code::kAborted, std::string(kMismatchReason), with_detail(kMismatchText, detail)};
}

Error etag_invalid(std::string_view detail) {
  return {Code::kInvalidArgument, std::string(kInvalidReason), with_detail(kInvalidText, detail)};
}

bool is_etag_mismatch(const Error& error) {
  return error.code == Code::kAborted && (error.reason == kMismatchReason || is_write_reason(error.reason));
}

bool is_etag_invalid(const Error& error) {
  return error.code == Code::kInvalidArgument && (error.reason == kInvalidReason || is_write_reason(error.reason));
}

Result<std::optional<std::int64_t>> parse_ttl(const Metadata& metadata, const TtlRules& rules) {
  const auto found = metadata.find(std::string_view("ttlInSeconds"));
  if (found == metadata.end() || found->second.empty()) return std::nullopt;
  const std::string& text = found->second;
  const auto refuse = [&](std::string_view why) {
    return fail(Code::kInternal, std::string(rules.before).append(why));
  };
  std::int64_t seconds = 0;
  const char* first = text.data();
  const char* last = first + text.size();
  if (*first == '+' && text.size() > 1 && first[1] != '-') ++first;
  const auto [end, failure] = std::from_chars(first, last, seconds);
  if (failure != std::errc() || end != last) {
    const bool too_large = failure == std::errc::result_out_of_range && end == last;
    return refuse(std::string(rules.parser) + ": parsing \"" + text +
                  (too_large ? "\": value out of range" : "\": invalid syntax"));
  }
  if (rules.negative == TtlRules::Negative::kForEver) return std::clamp(seconds, std::int64_t{-1}, kLongestTtl);
  if (seconds < -1 || seconds > std::numeric_limits<std::int32_t>::max()) return refuse("must be -1 or greater");
  return seconds;
}

void Store::bulk_get(const CallContext& context, std::vector<std::string> keys,
                     Completion<std::vector<BulkGetItem>> done) {
  if (keys.empty()) return done(std::vector<BulkGetItem>());
  const std::size_t count = keys.size();
  auto read = std::make_shared<BulkRead>(std::move(keys), std::move(done));
  for (std::size_t i = 0; i < count; ++i) {
    get(context, GetRequest{.key = read->key(i)},
        [read, i](Result<GetResponse> result) { read->item_done(i, std::move(result)); });
  }
}

void Store::bulk_set(const CallContext& context, std::vector<SetRequest> requests, Completion<void> done) {
  if (requests.empty()) return done({});
  auto write = std::make_shared<BulkWrite>(requests.size(), std::move(done));
  for (SetRequest& request : requests) {
    set(context, std::move(request), [write](Result<void> result) { write->item_done(std::move(result)); });
  }
}

void Store::bulk_remove(const CallContext& context, std::vector<DeleteRequest> requests, Completion<void> done) {
  if (requests.empty()) return done({});
  auto write = std::make_shared<BulkWrite>(requests.size(), std::move(done));
  for (DeleteRequest& request : requests) {
    remove(context, std::move(request), [write](Result<void> result) { write->item_done(std::move(result)); });
  }
}

void Store::list_keys(const CallContext&, ListRequest, Completion<std::vector<std::string>> done) {
  done(fail(Code::kUnimplemented, "this state store cannot list its keys"));
}

void Store::transact(const CallContext&, std::vector<Operation>, Completion<void> done) {
  done(fail(Code::kUnimplemented, "the state store does not support transactions"));
}

}  // namespace tandem::state
