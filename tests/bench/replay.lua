-- wrk script: sends the requests of a file (ARGS after `--`) in turn, and ends with one line of figures.

local requests, at = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("(.-\r\n\r\n)") do
    requests[#requests + 1] = request
  end
  file:close()
  assert(#requests > 0, "no requests in " .. args[1])
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format("figures %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99), failed))
end
