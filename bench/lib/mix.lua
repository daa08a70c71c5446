-- A third each: set with a TTL, get of a key that was set a hundred sets before, invoke.
-- Arguments: how many keys in turn, the TTL in seconds.
local value = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"
local threads = 0
local keys, ttl, tail, invoke
local n = 0

-- The second thread begins at the middle of the keys.
setup = function(thread)
  thread:set("half", threads)
  threads = threads + 1
end

init = function(args)
  keys, ttl = tonumber(args[1]), args[2]
  tail = " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n"
  invoke = "GET /v1.0/invoke/bench/method/hello" .. tail .. "\r\n"
  n = half * math.floor(keys / 2) * 3
end

request = function()
  n = n + 1
  local what = n % 3
  if what == 0 then return invoke end
  local key = math.floor(n / 3)
  if what == 1 then
    local body = '[{"key":"k' .. key % keys .. '","value":"' .. value .. '","metadata":{"ttlInSeconds":"' .. ttl .. '"}}]'
    return "POST /v1.0/state/statestore" .. tail .. "Content-Type: application/json\r\nContent-Length: " .. #body
      .. "\r\n\r\n" .. body
  end
  return "GET /v1.0/state/statestore/k" .. (key - 100) % keys .. tail .. "\r\n"
end
