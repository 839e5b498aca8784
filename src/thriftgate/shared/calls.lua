-- What replicas share while calls run: limits taken and settled, prefixes that are being written, what was learned.
-- KEYS[1]: the last batch of this replica, with what it was answered. ARGV: number of this batch, its operations.
-- An operation: code, id, places in KEYS, parameters, and the place in ARGV of bytes that go with it. All numbers are
-- doubles: whole numbers are exact up to 2^53.
local DONE_S = 600
local TAKE, PUT, RENEW, LEAD, LAND, LOOK, TELL = 1, 2, 3, 4, 5, 6, 7

local done, again = redis.call('GET', KEYS[1]), false
if done then
  local number, at = struct.unpack('>s', done)
  again = number == ARGV[1]
  if again and at <= #done then return string.sub(done, at) end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local function whole(number) return string.format('%.0f', number) end

-- Quotient and rest, both exact below 2^53.
local function divided(number, by)
  local rest = math.fmod(number, by)
  return (number - rest) / by, rest
end

-- Units and grains (a unit has `per` of them) that are free again after so many microseconds: exactly elapsed * amount
-- grains. `each` units and `part` grains are freed each microsecond.
local function freed(elapsed, per, each, part)
  local high, low = divided(elapsed, 1048576)
  local q1, r1 = divided(high * part, per)
  local q2, r2 = divided(r1 * 1048576 + low * part, per)
  return elapsed * each + q1 * 1048576 + q2, r2
end

local function level(key, per, each, part)
  local kept = redis.call('GET', key)
  if not kept then return 0, 0 end
  local units, rest, at = struct.unpack('<ddd', kept)
  local elapsed = now - at
  if elapsed <= 0 then return units, rest end
  if elapsed * (each + part / per) > units + 2 then return 0, 0 end
  local free, grains = freed(elapsed, per, each, part)
  units, rest = units - free, rest - grains
  if rest < 0 then units, rest = units - 1, rest + per end
  if units < 0 then return 0, 0 end
  return units, rest
end

local function keep(key, units, rest, per, each, part)
  if units < 0 or (units == 0 and rest == 0) then
    redis.call('DEL', key)
    return
  end
  local empty_ms = math.min((units + 1) / (each + part / per) / 1000 + 1000, 1e14)
  redis.call('SET', key, struct.pack('<ddd', units, rest, now), 'PX', whole(empty_ms))
end

local function calls_under_way(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  return redis.call('ZCARD', key)
end

local function renewed(key, id, lease)
  redis.call('ZADD', key, whole(now + lease), id)
  redis.call('PEXPIRE', key, whole(lease / 1000 + 1000))
end

-- Parameters of one bucket: units, grains of a unit (0: calls at once), units and grains that each microsecond frees (calls
-- at once: for how long they count without being renewed, 0), room.
local function take(id, keys, params)
  local found, fits = {}, true
  for at, place in ipairs(keys) do
    local units, per, each, part, room = unpack(params[at])
    local used, rest
    if per == 0 then
      used, rest = calls_under_way(KEYS[place]), 0
    else
      used, rest = level(KEYS[place], per, each, part)
    end
    found[2 * at - 1], found[2 * at] = used, rest
    if used + units > room or (used + units == room and rest > 0) then fits = false end
  end
  if not fits then return {0, found} end
  for at, place in ipairs(keys) do
    local units, per, each, part = unpack(params[at])
    found[2 * at - 1] = found[2 * at - 1] + units
    if per == 0 then
      renewed(KEYS[place], id, each)
    else
      keep(KEYS[place], found[2 * at - 1], found[2 * at], per, each, part)
    end
  end
  return {1, found}
end

local function put(id, keys, params)
  for at, place in ipairs(keys) do
    local units, per, each, part = unpack(params[at])
    if per == 0 and units < 0 then
      redis.call('ZREM', KEYS[place], id)
    elseif per == 0 then
      renewed(KEYS[place], id, each)
    else
      local used, rest = level(KEYS[place], per, each, part)
      keep(KEYS[place], used + units, rest, per, each, part)
    end
  end
  return 0
end

local function renew(keys, params)
  for _, id in ipairs(params[2]) do renewed(KEYS[keys[1]], id, params[1]) end
  return 0
end

-- Prefixes that are being written: what is kept of one is 'w' and the call that writes it, or 'l' and what is cached of it.
-- Parameters: for how long it is ours (ms).
local function lead(id, keys, params)
  for at = #keys, 1, -1 do
    local kept = redis.call('GET', KEYS[keys[at]])
    if kept and kept ~= 'w' .. id then return {at, kept} end
  end
  for _, place in ipairs(keys) do
    redis.call('SET', KEYS[place], 'w' .. id, 'PX', whole(params[1]))
  end
  return 0
end

-- The answer has begun, or none will. Parameters: how long others are told (ms), what is cached, one for each key ('': not).
local function land(id, keys, params)
  for at, place in ipairs(keys) do
    if redis.call('GET', KEYS[place]) == 'w' .. id then
      if params[2][at] == '' then
        redis.call('DEL', KEYS[place])
      else
        redis.call('SET', KEYS[place], 'l' .. params[2][at], 'PX', whole(params[1]))
      end
    end
  end
  return 0
end

local reply = {''}  -- the answers in one, then bytes that were heard

-- Tell what is new ('': nothing) and hear what the others told. Parameters: the last that was heard, how long news is kept
-- (ms), how many bytes to hear at most, after how long a silent replica is gone (microseconds).
local function tell(id, keys, params, bytes_told)
  local news, replicas = KEYS[keys[1]], KEYS[keys[2]]
  local last, kept_ms, bytes = params[1], params[2], 0
  redis.call('ZADD', replicas, whole(now), id)
  redis.call('ZREMRANGEBYSCORE', replicas, '-inf', whole(now - params[4]))
  redis.call('PEXPIRE', replicas, whole(kept_ms))
  if bytes_told ~= '' and not again then
    redis.call('XADD', news, 'MINID', '~', whole(now / 1000 - kept_ms), '*', id, bytes_told)
    redis.call('PEXPIRE', news, whole(2 * kept_ms))
  end
  for _, entry in ipairs(redis.call('XRANGE', news, '(' .. last, '+', 'COUNT', 200)) do
    last = entry[1]
    if entry[2][1] ~= id then
      reply[#reply + 1] = entry[2][2]
      bytes = bytes + #entry[2][2]
      if bytes > params[3] then break end
    end
  end
  return {redis.call('ZCARD', replicas), last}
end

local answers, long = {}, false
for at, op in ipairs(cmsgpack.unpack(ARGV[2])) do
  local code, id, keys, params = op[1], op[2], op[3], op[4]
  if code == TAKE then
    answers[at] = take(id, keys, params)
  elseif code == PUT then
    answers[at] = put(id, keys, params)
  elseif code == RENEW then
    answers[at] = renew(keys, params)
  elseif code == LEAD then
    answers[at] = lead(id, keys, params)
  elseif code == LAND then
    answers[at] = land(id, keys, params)
  elseif code == LOOK then
    answers[at] = redis.call('GET', KEYS[keys[1]]) or ''
  elseif code == TELL then
    answers[at], long = tell(id, keys, params, ARGV[op[5]]), true
  else
    answers[at] = 0
  end
end
local answer = cmsgpack.pack({now, answers})
redis.call('SET', KEYS[1], struct.pack('>s', ARGV[1]) .. (long and '' or answer), 'EX', DONE_S)
if not long then return answer end
reply[1] = answer
return reply
