-- The state of one room's log; stands in front of append.lua and read.lua.
--
-- Keys of a room (one hash slot):  meta  hash: e epoch, n last number, p proof of the last entry,
--                                        r run id of the server at the last change, d its durability, t ms
--                                  log   stream: id <number>-0, fields b blob, p proof
--                                  ids   two hashes by turns: key -> number:proof:digest, a new one begun
--                                        every <window> entries, so that one window is always covered
local run, durable, window, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function ids_of(n, even, odd)
  if math.floor(n / window) % 2 == 0 then return even, odd end
  return odd, even
end

local function rebuild(log, n, even, odd)
  -- The dedupe record was evicted but the log was not: read it back from the log.
  redis.call('DEL', even, odd)
  for _, item in ipairs(redis.call('XRANGE', log, '-', '+')) do
    local number = string.match(item[1], '^%d+')
    local blob = cmsgpack.unpack(item[2][2])
    redis.call('HSET', (ids_of(tonumber(number), even, odd)), blob[1],
               number .. ':' .. item[2][4] .. ':' .. blob[2])
  end
  redis.call('EXPIRE', even, ttl)
  redis.call('EXPIRE', odd, ttl)
end

local function forget(log, even, odd)
  redis.call('DEL', log, even, odd)
  return 0, '00000000'
end

-- Answers epoch, last number, its proof, and whether the epoch has just begun.
local function room(meta, log, even, odd, fresh)
  local m = redis.call('HMGET', meta, 'e', 'n', 'p', 'r', 'd', 't')
  local epoch, n, proof = m[1], tonumber(m[2]), m[3]
  if not (epoch and n and proof) then
    n, proof = forget(log, even, odd)
    return fresh, n, proof, true
  end
  local begun = false
  if m[4] ~= run and m[5] ~= '1' then
    -- Another run of a server that kept no record on disk: it may have come back with an older state
    -- and use numbers again. What it retains stays readable, in a new epoch.
    epoch, begun = fresh, true
  end
  if n > 0 then
    if redis.call('EXISTS', log) == 1 then
      local current, other = ids_of(n, even, odd)
      if redis.call('EXISTS', current) == 0 or (n >= window and redis.call('EXISTS', other) == 0) then
        rebuild(log, n, even, odd)
      end
    elseif now < tonumber(m[6]) + ttl * 1000 - 1000 then
      -- Evicted or deleted before its time, the dedupe record is worth nothing without it.
      n, proof = forget(log, even, odd)
      return fresh, n, proof, true
    end
  end
  return epoch, n, proof, begun
end
