-- Appends waiting entries to one or more rooms, and publishes what is new.
--
-- KEYS  four for each room: meta, log, ids even, ids odd
-- ARGV  run id, durable, window, seconds to live of log and ids, of meta, then for each room:
--       channel, a fresh epoch, count, and count times: key, digest, proof, blob
-- Answers for each room: epoch, then for each entry a number (stored), a text number:proof (it was there
-- before) or 0 (conflict). Last, how many entries of others were taken out.
local keep = tonumber(ARGV[5])
local answers = {}
local at = 6
for r = 1, #KEYS, 4 do
  local meta, log, even, odd = KEYS[r], KEYS[r + 1], KEYS[r + 2], KEYS[r + 3]
  local channel, fresh, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local start = at + 3
  at = start + 4 * count
  answers[#answers + 1] = guarded(function()
    local at = start
    local epoch, n, proof, begun = room(meta, log, even, odd, fresh)
    local answer, parts, first, before = {epoch}, {}, n + 1, proof
    for i = 1, count do
      local key, digest, mark, blob = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
      at = at + 4
      local known = redis.call('HGET', even, key) or redis.call('HGET', odd, key)
      local number, stood, was
      if known then number, stood, was = string.match(known, '^(%d+):(%x+):(.*)$') end
      if number then
        answer[#answer + 1] = was == digest and number .. ':' .. stood or 0
      else
        n = n + 1
        local ids = ids_of(n, even, odd)
        if n % window == 0 then redis.call('DEL', ids) end
        redis.call('XADD', log, 'MAXLEN', '=', window, string.format('%.0f-0', n), 'b', blob, 'p', mark)
        redis.call('HSET', ids, key, string.format('%.0f', n) .. ':' .. mark .. ':' .. digest)
        proof = mark
        parts[#parts + 1] = struct.pack('>I4', #blob)
        parts[#parts + 1] = blob
        answer[#answer + 1] = n
      end
    end
    if #parts > 0 or begun then
      redis.call('HSET', meta, 'e', epoch, 'n', string.format('%.0f', n), 'p', proof, 'r', run, 'd', durable,
                 't', string.format('%.0f', now))
      redis.call('EXPIRE', meta, keep)
    end
    if #parts > 0 then
      redis.call('EXPIRE', log, ttl)
      redis.call('EXPIRE', even, ttl)
      redis.call('EXPIRE', odd, ttl)
      redis.call('PUBLISH', channel,
                 'E' .. epoch .. ' ' .. string.format('%.0f', first) .. ' ' .. before .. '\n' .. table.concat(parts))
    end
    return answer
  end, meta, log, even, odd)
end
answers[#answers + 1] = stripped
return answers
