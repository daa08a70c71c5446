-- POST of one value under a thousand keys, through the Dapr HTTP API. Made before the run, as in state_get.lua.
local requests = {}
local n = 0

wrk.headers["Content-Type"] = "application/json"

init = function()
  for key = 0, 999 do
    local body = '[{"key":"k' .. key .. '","value":"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"}]'
    requests[key] = wrk.format("POST", "/v1.0/state/statestore", nil, body)
  end
end

request = function()
  n = (n + 7) % 1000
  return requests[n]
end
