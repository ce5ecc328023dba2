"""The scripts of the shared store, in Lua: each call of `redis.RedisStore` is one of them, so that it is atomic."""

from __future__ import annotations

_KEPT = 8 * 86_400  # seconds after its last lease that an account's leases and notices are kept ...
_ADDED_UP = 400 * 86_400  # ... and its sums, which flights are added up from

# KEYS: account (hash: budget, settled, held, debt, won, wins, lapsed, slot:K), leases (hash: money),
# until (sorted set), notices (hash: amounts), wins (hash: money), wins until (sorted set)
# the last argument is the time where a clock is moved by hand, and empty where it is Redis's own
_NOW = """local now = tonumber(ARGV[#ARGV])
if not now then local t = redis.call('TIME') now = tonumber(t[1]) + tonumber(t[2]) / 1e6 end
"""
_NUMBER = "local function n(f) return tonumber(redis.call('HGET', KEYS[1], f) or '0') end\n"
_TEXT = "local function s(x) if x == 0 then return '0' end return string.format('%.0f', x) end\n"  # never "-0"
_LEASE = f"""{_NOW}{_NUMBER}{_TEXT}
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. string.format('%.6f', now))) do
    local left = tonumber(redis.call('HGET', KEYS[2], gone) or '0')
    redis.call('HINCRBY', KEYS[1], 'held', s(-left))
    redis.call('HDEL', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', '(' .. string.format('%.6f', now))) do
    local left = tonumber(redis.call('HGET', KEYS[5], gone) or '0')
    redis.call('HINCRBY', KEYS[1], 'held', s(-left))
    redis.call('HINCRBY', KEYS[1], 'won', s(-left))
    redis.call('HINCRBY', KEYS[1], 'lapsed', 1)
    redis.call('HINCRBY', KEYS[1], 'lapsed_amount', s(left))
    redis.call('HDEL', KEYS[5], gone)
    redis.call('ZREM', KEYS[6], gone)
end
local known = redis.call('HEXISTS', KEYS[2], ARGV[1])
local lapsed = known == 0 and ARGV[4] == '1'
local over = math.max(n('settled') + n('held') - n('budget'), 0)
local available = math.max(n('budget') - n('settled') - n('held'), 0)
local covered = math.min(n('debt'), available)
redis.call('HINCRBY', KEYS[1], 'settled', s(covered))
redis.call('HINCRBY', KEYS[1], 'debt', s(-covered))
local granted = 0
if n('debt') == 0 and not lapsed then granted = math.min(tonumber(ARGV[2]), available - covered) end
redis.call('HINCRBY', KEYS[1], 'held', s(granted))
local left = 0
if not lapsed then
    left = redis.call('HINCRBY', KEYS[2], ARGV[1], s(granted))
    redis.call('ZADD', KEYS[3], 'GT', ARGV[3], ARGV[1])
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, {_KEPT}) end
redis.call('EXPIRE', KEYS[1], {_ADDED_UP})
return {{s(granted), known, s(n('debt')), s(left), s(over)}}
"""
_GIVE_BACK = f"""{_TEXT}
local left = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local amount = math.min(left, tonumber(ARGV[2]))
redis.call('HINCRBY', KEYS[2], ARGV[1], s(-amount))
redis.call('HINCRBY', KEYS[1], 'held', s(-amount))
"""
_WIN = f"""{_NOW}{_TEXT}
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1 then return 'billed' end
if redis.call('HSETNX', KEYS[5], ARGV[1], ARGV[3]) == 0 then return 'repeated' end
redis.call('ZADD', KEYS[6], ARGV[5], ARGV[1])
local amount = tonumber(ARGV[3])
redis.call('HINCRBY', KEYS[1], 'won', s(amount))
redis.call('HINCRBY', KEYS[1], 'wins', 1)
redis.call('HINCRBY', KEYS[1], 'slot:' .. ARGV[6], s(amount))
local left = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0')
if now <= tonumber(ARGV[4]) and left >= amount then
    redis.call('HINCRBY', KEYS[2], ARGV[2], s(-amount))
    return 'held'
end
redis.call('HINCRBY', KEYS[1], 'held', s(amount))
return 'late'
"""
_SETTLE = f"""{_NOW}{_TEXT}
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1 then return 'duplicate' end
local amount = tonumber(ARGV[3])
local won = redis.call('HGET', KEYS[5], ARGV[1])
if won then
    redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
    redis.call('HDEL', KEYS[5], ARGV[1])
    redis.call('ZREM', KEYS[6], ARGV[1])
    local rest = 0
    if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then rest = tonumber(won) - amount end
    if rest ~= 0 then redis.call('HINCRBY', KEYS[2], ARGV[2], s(rest)) end
    redis.call('HINCRBY', KEYS[1], 'held', s(rest - tonumber(won)))
    redis.call('HINCRBY', KEYS[1], 'won', s(-tonumber(won)))
    redis.call('HINCRBY', KEYS[1], 'settled', s(amount))
    redis.call('HINCRBY', KEYS[1], 'slot:' .. ARGV[5], s(amount - tonumber(won)))
    return 'settled'
end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[1], 'slot:' .. ARGV[5], s(amount))
local left = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0')
if now <= tonumber(ARGV[4]) and left >= amount then
    redis.call('HINCRBY', KEYS[2], ARGV[2], s(-amount))
    redis.call('HINCRBY', KEYS[1], 'held', s(-amount))
    redis.call('HINCRBY', KEYS[1], 'settled', s(amount))
    return 'settled'
end
redis.call('HINCRBY', KEYS[1], 'debt', s(amount))
return 'debt'
"""
_RESOLVE = f"""{_NOW}
local amount = redis.call('HGET', KEYS[4], ARGV[1])
if amount then return {{'settled', amount}} end
local until_ = redis.call('ZSCORE', KEYS[6], ARGV[1])
if until_ and now <= tonumber(until_) then return {{'won', until_}} end
if now <= tonumber(ARGV[2]) then return {{'pending', ''}} end
return {{'nothing', ''}}
"""
_STATE = f"""{_NOW}{_TEXT}
local row = redis.call('HMGET', KEYS[1], 'budget', 'settled', 'debt')
if not row[1] then return {{}} end
local leased, won = 0, 0
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], string.format('%.6f', now), '+inf')) do
    leased = leased + tonumber(redis.call('HGET', KEYS[2], lease) or '0')
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], string.format('%.6f', now), '+inf')) do
    won = won + tonumber(redis.call('HGET', KEYS[5], key) or '0')
end
return {{row[1], row[2] or '0', s(leased + won), row[3] or '0', s(won)}}
"""
_WINS = f"""{_NUMBER}{_TEXT}
local late = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', ARGV[1])
local owed = 0
for _, key in ipairs(late) do owed = owed + tonumber(redis.call('HGET', KEYS[5], key) or '0') end
return {{s(n('wins')), s(redis.call('ZCARD', KEYS[6]) - #late), s(#late + n('lapsed')), s(owed + n('lapsed_amount'))}}
"""
_MOVE_DEBT = f"""{_TEXT}
if KEYS[1] == KEYS[2] or redis.call('EXISTS', KEYS[2]) == 0 then return '0' end
local amount = tonumber(redis.call('HGET', KEYS[1], 'debt') or '0')
redis.call('HINCRBY', KEYS[1], 'debt', s(-amount))
redis.call('HINCRBY', KEYS[2], 'debt', s(amount))
return s(amount)
"""

SCRIPTS = {
    "lease": _LEASE,
    "give_back": _GIVE_BACK,
    "win": _WIN,
    "settle": _SETTLE,
    "resolve": _RESOLVE,
    "state": _STATE,
    "wins": _WINS,
    "move_debt": _MOVE_DEBT,
}
TIMED = frozenset({"lease", "win", "settle", "resolve", "state"})
"""Those whose last argument is the time."""

PARTS = ("account", "leases", "until", "notices", "wins", "wins_until")
"""Of an account, what each of KEYS is the key of."""
