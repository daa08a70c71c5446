#include "components/state/redis/redis_scripts.h"

namespace tandem::components {

// A key of another type gives way to the value, as in daprd.
const std::string_view kSetScript = R"(
local key = KEYS[1]
local etag, value, mark, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local version = redis.pcall('HGET', key, 'version')
if type(version) == 'table' then
  redis.call('DEL', key)
elseif version and version ~= '' and version ~= etag then
  if etag ~= '0' or redis.call('HEXISTS', key, 'first-write') == 1 then return 0 end
end
if mark == '0' then
  redis.call('HSET', key, 'data', value, 'first-write', 0)
else
  redis.call('HSET', key, 'data', value)
end
redis.call('HINCRBY', key, 'version', 1)
if ttl ~= '' then
  if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
end
return 1
)";

const std::string_view kDeleteScript = R"(
local etag = ARGV[1]
if etag ~= '0' then
  local version = redis.pcall('HGET', KEYS[1], 'version')
  if version and type(version) ~= 'table' and version ~= '' and version ~= etag then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
)";

// The first pass follows versions and marks through the operations without writing; the second writes.
const std::string_view kTransactionScript = R"(
local function field(kind, key, name)
  local value
  if kind:sub(1, 1) == 'j' then
    value = redis.pcall('JSON.GET', key, '.' .. name)
  else
    value = redis.pcall('HGET', key, name)
  end
  if type(value) == 'table' then return false, true end
  if value == '' then return false end
  return value
end
local versions, marks = {}, {}
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local kind, etag = ARGV[at + 1], ARGV[at + 2]
  local sets = kind:sub(-3) == 'set'
  if versions[key] == nil then
    versions[key] = field(kind, key, 'version')
    marks[key] = versions[key] and field(kind, key, 'first-write')
  end
  local version = versions[key]
  if version and version ~= etag and (etag ~= '0' or (sets and marks[key])) then return 0 end
  if sets then
    versions[key] = string.format('%.0f', (tonumber(version) or 0) + 1)
  else
    versions[key], marks[key] = false, false
  end
end
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local kind, etag, value, ttl = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if kind:sub(-3) == 'del' then
    redis.call('DEL', key)
  else
    local version, foreign = field(kind, key, 'version')
    if foreign then redis.call('DEL', key) end
    if kind == 'set' then
      redis.call('HSET', key, 'data', value)
      redis.call('HINCRBY', key, 'version', 1)
    else
      redis.call('JSON.SET', key, '$', value)
      redis.call('JSON.SET', key, '.version', string.format('%.0f', tonumber(version or etag) + 1))
    end
    if ttl ~= '' then
      if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
    end
  end
end
return 1
)";

const std::string_view kSetJsonScript = R"(
local key = KEYS[1]
local etag, object, mark, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local version = redis.pcall('JSON.GET', key, '.version')
if type(version) == 'table' then
  redis.call('DEL', key)
  version = false
end
if not version or version == '' then
  version = etag
elseif version ~= etag then
  local marked = redis.pcall('JSON.GET', key, '.first-write')
  if etag ~= '0' or (marked and type(marked) ~= 'table') then return 0 end
end
redis.call('JSON.SET', key, '$', object)
if mark == '0' then redis.call('JSON.SET', key, '.first-write', 0) end
redis.call('JSON.SET', key, '.version', string.format('%.0f', tonumber(version) + 1))
if ttl ~= '' then
  if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
end
return 1
)";

const std::string_view kDeleteJsonScript = R"(
local etag = ARGV[1]
if etag ~= '0' then
  local version = redis.pcall('JSON.GET', KEYS[1], '.version')
  if version and type(version) ~= 'table' and version ~= '' and version ~= etag then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
)";

}  // namespace tandem::components
