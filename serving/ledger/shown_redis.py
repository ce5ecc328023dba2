"""Exposures to people in Redis, for frequency caps, and the keys that people are known by. Each call is one script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from bidpilot.serving.ledger.store import MOST_SHOWN, SLICE, Shown

_KEPT = 8 * 86_400  # seconds after the last exposure that all of them are gone, whatever they say
_NOW = """local now = tonumber(ARGV[1])
if not now then local t = redis.call('TIME') now = tonumber(t[1]) + tonumber(t[2]) / 1e6 end
"""
# KEYS: version (a number), by version and by time (sorted sets of the same JSON)
_ERASE = """
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.6f', now), 'LIMIT', 0, 4000)) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
end
"""
_KEEP = f"""{_NOW}{_ERASE}
for i = 3, #ARGV, 2 do
    local version = redis.call('INCR', KEYS[1])
    local text = '[' .. string.format('%.0f', version) .. ',' .. ARGV[i + 1] .. ']'
    redis.call('ZADD', KEYS[2], version, text)
    redis.call('ZADD', KEYS[3], ARGV[i], text)
end
while redis.call('ZCARD', KEYS[3]) > tonumber(ARGV[2]) do
    redis.call('ZREM', KEYS[2], redis.call('ZPOPMIN', KEYS[3])[1])
end
redis.call('EXPIRE', KEYS[2], {_KEPT})
redis.call('EXPIRE', KEYS[3], {_KEPT})
return redis.call('ZCARD', KEYS[3])
"""
_READ = f"""{_NOW}{_ERASE}
local since = tonumber(ARGV[2])
if tonumber(redis.call('GET', KEYS[1]) or '0') < since then since = 0 end
return redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', since), '+inf', 'LIMIT', 0, {SLICE})
"""
_KEY = f"""{_NOW}
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'NX', 'EX', math.max(math.ceil(ARGV[3] - now), 1)) end
return redis.call('GET', KEYS[1]) or ''
"""
_DECODE = msgspec.json.Decoder(tuple[int, Shown]).decode


class RedisShown:
    """The exposures of all bidders of one Redis database. All calls may raise RedisError.

    Args:
        most: exposures that are kept.
    """

    def __init__(self, client: redis.Redis, prefix: str, most: int = MOST_SHOWN) -> None:
        # braces put all of them on one node of a cluster
        self._keys = [f"{prefix}:{{shown}}:{part}" for part in ("version", "by_version", "by_time")]
        self._key_of, self._most = f"{prefix}:{{shown}}:key:", most
        self._keep, self._read, self._key = (client.register_script(text) for text in (_KEEP, _READ, _KEY))

    def keep(self, batch: Sequence[Shown], now: str) -> None:
        """Keep exposures until they run out; `now`: empty where the time is Redis's own."""
        told: list[Any] = [now, self._most]
        for shown in batch:
            told += [f"{shown.until:.6f}", msgspec.json.encode(shown).decode()]
        self._keep(self._keys, told)

    def read(self, since: int, now: str) -> list[Shown]:
        """Exposures with versions above `since`, oldest first, at most `SLICE`."""
        found: Any = self._read(self._keys, [now, since])
        return [msgspec.structs.replace(shown, version=version) for version, shown in map(_DECODE, found)]

    def key(self, period: int, offered: str, until: float, now: str) -> str:
        """The key of a period; `offered` becomes it where there is none and that is not empty."""
        return str(self._key([f"{self._key_of}{period}"], [now, offered, f"{until:.0f}"]))
