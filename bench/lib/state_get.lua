-- GET of a thousand keys of a state store, through the Dapr HTTP API.
local n = 0

request = function()
  n = (n + 7) % 1000
  return wrk.format("GET", "/v1.0/state/statestore/k" .. n)
end
