#include "components/redis/redis_codec.h"

#include <hiredis/hiredis.h>

#include <array>
#include <charconv>
#include <new>
#include <utility>

namespace tandem::components {
namespace {

using Type = RedisValue::Type;

// Where the reader puts the value that it has just read: a place in its parent's items, or a new reply.
RedisValue* place(const redisReadTask* task) {
  if (task->parent != nullptr) return &static_cast<RedisValue*>(task->parent->obj)->items[task->idx];
  return new (std::nothrow) RedisValue;
}

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
  RedisValue* value = place(task);
  if (value == nullptr) return nullptr;
  value->type = task->type == REDIS_REPLY_ERROR    ? Type::kError
                : task->type == REDIS_REPLY_STATUS ? Type::kStatus
                                                   : Type::kString;
  value->text.assign(text, size);
  return value;
}

void* create_array(const redisReadTask* task, int count) {
  if (count > RedisReader::kMaxItems) return nullptr;
  RedisValue* value = place(task);
  if (value == nullptr) return nullptr;
  value->type = Type::kArray;
  value->items.resize(static_cast<std::size_t>(count));
  return value;
}

void* create_integer(const redisReadTask* task, long long number) {
  RedisValue* value = place(task);
  if (value == nullptr) return nullptr;
  value->type = Type::kInteger;
  value->integer = number;
  return value;
}

void* create_nil(const redisReadTask* task) { return place(task); }

// Only ever the outermost value: it owns the others.
void free_value(void* value) { delete static_cast<RedisValue*>(value); }

redisReplyObjectFunctions kFunctions = {create_string, create_array, create_integer, create_nil, free_value};

}  // namespace

bool RedisValue::is_error(std::string_view code) const {
  return type == Type::kError && text.starts_with(code) && (text.size() == code.size() || text[code.size()] == ' ');
}

std::string encode_command(std::span<const std::string_view> words) {
  constexpr std::size_t kFraming = 16;  // of a word: its length in digits, and four bytes of line ends
  std::size_t size = kFraming;
  for (const std::string_view word : words) size += word.size() + kFraming;
  std::string bytes;
  bytes.reserve(size);
  const auto count = [&bytes](char kind, std::size_t number) {
    std::array<char, 24> text{kind};
    char* end = std::to_chars(text.data() + 1, text.data() + text.size(), number).ptr;
    *end++ = '\r';
    *end++ = '\n';
    bytes.append(text.data(), end);
  };
  count('*', words.size());
  for (const std::string_view word : words) {
    count('$', word.size());
    bytes.append(word).append("\r\n");
  }
  return bytes;
}

struct RedisReader::Impl {
  Impl() : reader(redisReaderCreateWithFunctions(&kFunctions)) {
    if (reader == nullptr) throw std::bad_alloc();
  }
  ~Impl() { redisReaderFree(reader); }
  redisReader* const reader;
};

RedisReader::RedisReader() : impl_(std::make_unique<Impl>()) {}
RedisReader::~RedisReader() = default;

Status RedisReader::feed(std::string_view bytes) {
  redisReader& reader = *impl_->reader;
  if (reader.len - reader.pos + bytes.size() > kMaxReplyBytes) {
    return fail(Code::kInternal, "Redis sends a reply of more than 1 GiB");
  }
  if (redisReaderFeed(&reader, bytes.data(), bytes.size()) == REDIS_OK) return {};
  return fail(Code::kInternal, std::string("Redis's reply cannot be read: ") + reader.errstr);
}

Result<std::optional<RedisValue>> RedisReader::next() {
  void* reply = nullptr;
  if (redisReaderGetReply(impl_->reader, &reply) != REDIS_OK) {
    return fail(Code::kInternal, std::string("this is not Redis's protocol: ") + impl_->reader->errstr);
  }
  if (reply == nullptr) return std::nullopt;
  const std::unique_ptr<RedisValue> value(static_cast<RedisValue*>(reply));
  return std::optional<RedisValue>(std::move(*value));
}

}  // namespace tandem::components
