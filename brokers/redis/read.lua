-- Reads a part of one room's log together with its state, in one instant.
--
-- KEYS  meta, log, ids even, ids odd
-- ARGV  run id, durable, window, seconds to live of log and ids, of meta, a fresh epoch,
--       create (1: make the room where it is not), part, offset, count
-- Part: last (the newest), after (from offset on, itself included), before (up to offset, itself included),
--       first (the oldest). Answers epoch, last number, its proof, entries in log order, and how many of others'
--       were taken out.
local meta, log, even, odd = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fresh, create, part, offset, count = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
if create == '0' and redis.call('EXISTS', meta) == 0 then return {fresh, 0, '00000000', {}, 0} end
return guarded(function()
  local epoch, n, proof, begun = room(meta, log, even, odd, fresh)
  if begun then
    redis.call('HSET', meta, 'e', epoch, 'n', string.format('%.0f', n), 'p', proof, 'r', run, 'd', durable,
               't', string.format('%.0f', now))
    redis.call('EXPIRE', meta, tonumber(ARGV[5]))
  end
  local items
  if part == 'after' then
    items = redis.call('XRANGE', log, offset .. '-0', '+', 'COUNT', count)
  elseif part == 'first' then
    items = redis.call('XRANGE', log, '-', '+', 'COUNT', count)
  else
    items = redis.call('XREVRANGE', log, part == 'before' and offset .. '-0' or '+', '-', 'COUNT', count)
    local ordered = {}
    for i = #items, 1, -1 do ordered[#ordered + 1] = items[i] end
    items = ordered
  end
  return {epoch, n, proof, items, stripped}
end, meta, log, even, odd)
