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
    local number = string.match(item[1], '^(%d+)%-0$')
    -- What others wrote into the stream has no key that anybody will ask for.
    local read, blob = pcall(cmsgpack.unpack, item[2][2])
    if number and read and type(blob) == 'table' and type(blob[1]) == 'string' and type(blob[2]) == 'string'
        and item[2][4] then
      redis.call('HSET', (ids_of(tonumber(number), even, odd)), blob[1],
                 number .. ':' .. item[2][4] .. ':' .. blob[2])
    end
  end
  redis.call('EXPIRE', even, ttl)
  redis.call('EXPIRE', odd, ttl)
end

local stripped = 0

-- Takes out what others appended to the stream: it stands where our next numbers will be.
local function strip(log, n)
  while true do
    local foreign = redis.call('XRANGE', log, string.format('%.0f-1', n), '+', 'COUNT', 500)
    if #foreign == 0 then break end
    for _, item in ipairs(foreign) do redis.call('XDEL', log, item[1]) end
    stripped = stripped + #foreign
  end
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  if not newest[1] or newest[1][1] == string.format('%.0f-0', n) then
    redis.call('XSETID', log, string.format('%.0f-0', n))
  end
end

local function forget(log, even, odd)
  redis.call('DEL', log, even, odd)
  return 0, '00000000'
end

-- Others may write into our keys. What is of another type is in the way of everything: gone with all of it.
-- Answers whether it may go better now; never for what the server itself refuses (memory, read-only).
local function mend(why, meta, log, even, odd)
  why = type(why) == 'table' and why.err or tostring(why)
  if string.find(why, 'WRONGTYPE', 1, true) then
    redis.call('DEL', meta, log, even, odd)
    return true
  elseif string.find(why, 'equal or smaller', 1, true) then
    stripped = stripped + redis.call('XLEN', log)
    redis.call('DEL', log) -- of a room where nobody has said anything
    return true
  end
  return false
end

-- Does the work on one room, once more where something was mended.
local function guarded(work, meta, log, even, odd)
  local done, answer = pcall(work)
  if not done then
    if not mend(answer, meta, log, even, odd) then error(answer, 0) end
    answer = work()
  end
  return answer
end

-- Answers epoch, last number, its proof, and whether the epoch has just begun.
local function room(meta, log, even, odd, fresh)
  local m = redis.call('HMGET', meta, 'e', 'n', 'p', 'r', 'd', 't')
  local epoch, n, proof = m[1], tonumber(m[2]), m[3]
  local sane = epoch and n and proof and n >= 0 and n < 2 ^ 50 and n % 1 == 0
    and #epoch <= 40 and string.find(epoch, '^[0-9a-z]+$') and string.find(proof, '^%x%x%x%x%x%x%x%x$')
  if not sane then
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
    local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
    if newest[1] and newest[1][1] ~= string.format('%.0f-0', n) then strip(log, n) end
    if newest[1] or redis.call('EXISTS', log) == 1 then
      local current, other = ids_of(n, even, odd)
      if redis.call('EXISTS', current) == 0 or (n >= window and redis.call('EXISTS', other) == 0) then
        rebuild(log, n, even, odd)
      end
    elseif now < (tonumber(m[6]) or 0) + ttl * 1000 - 1000 then
      -- Evicted or deleted before its time, the dedupe record is worth nothing without it.
      n, proof = forget(log, even, odd)
      return fresh, n, proof, true
    end
  end
  return epoch, n, proof, begun
end
