-- GET of a thousand keys of a state store, through the Dapr HTTP API. The requests are made before the run: what the
-- generator costs is taken from the server under test.
local requests = {}
local n = 0

init = function()
  for key = 0, 999 do
    requests[key] = wrk.format("GET", "/v1.0/state/statestore/k" .. key)
  end
end

request = function()
  n = (n + 7) % 1000
  return requests[n]
end
