-- POST of one value under a thousand keys, through the Dapr HTTP API.
local n = 0

wrk.headers["Content-Type"] = "application/json"

request = function()
  n = (n + 7) % 1000
  local body = '[{"key":"k' .. n .. '","value":"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"}]'
  return wrk.format("POST", "/v1.0/state/statestore", nil, body)
end
