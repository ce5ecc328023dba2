"""Orders in Redis, and who has been heard of. Each call is one script, so it is atomic."""

from __future__ import annotations

from typing import Any

import redis

from bidpilot.serving.ledger.store import Order, Seen

_KEPT = 86_400  # seconds after which a bidder that is not heard of is forgotten
_NOW = "local t = redis.call('TIME') local now = tonumber(t[1]) + tonumber(t[2]) / 1e6\n"

# KEYS: version (a number), texts (hash by name), versions (sorted set of names), bidders (hash of JSON by bidder)
_WRITE = """
local version = redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], version, ARGV[1])
redis.call('PUBLISH', KEYS[1], version)
return version
"""
# a counter below what the caller knows is of a database that was emptied since: everything is news
_READ = """
local since = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1]) or '0') < since then since = 0 end
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. string.format('%.0f', since), '+inf')) do
    table.insert(found, redis.call('ZSCORE', KEYS[3], name))
    table.insert(found, name)
    table.insert(found, redis.call('HGET', KEYS[2], name))
end
return found
"""
_ACKNOWLEDGE = f"""{_NOW}
if tonumber(ARGV[2]) < 0 then return redis.call('HDEL', KEYS[4], ARGV[1]) end
return redis.call('HSET', KEYS[4], ARGV[1], cjson.encode({{ARGV[2], string.format('%.6f', now), ARGV[3]}}))
"""
_BIDDERS = f"""{_NOW}
local found = {{}}
local all = redis.call('HGETALL', KEYS[4])
for i = 1, #all, 2 do
    local said = cjson.decode(all[i + 1])
    local age = now - tonumber(said[2])
    if age > {_KEPT} then
        redis.call('HDEL', KEYS[4], all[i])
    else
        for _, part in ipairs({{all[i], said[1], string.format('%.6f', math.max(age, 0)), said[3]}}) do
            table.insert(found, part)
        end
    end
end
return found
"""


class RedisOrders:
    """The orders of all bidders of one Redis database. All calls may raise RedisError."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        # braces put all of them on one node of a cluster
        self._keys = [f"{prefix}:{{orders}}:{part}" for part in ("version", "texts", "versions", "bidders")]
        self._write, self._read, self._acknowledge, self._bidders = (
            client.register_script(text) for text in (_WRITE, _READ, _ACKNOWLEDGE, _BIDDERS)
        )

    def write(self, name: str, text: str) -> int:
        """Keep an order and publish its version."""
        return int(self._write(self._keys, [name, text]))  # type: ignore[call-overload, no-any-return, unused-ignore]

    def read(self, since: int) -> list[Order]:
        """The orders with versions above `since`, oldest first."""
        return [Order(int(version), name, text) for version, name, text in _rows(self._read(self._keys, [since]), 3)]

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        """A bidder obeys all orders up to `version`; below 0 it says farewell."""
        self._acknowledge(self._keys, [bidder, version, what])

    def bidders(self) -> dict[str, Seen]:
        """Who was heard of within a day."""
        rows = _rows(self._bidders(self._keys, []), 4)
        return {name: Seen(int(version), float(age), what) for name, version, age, what in rows}


def _rows(flat: Any, width: int) -> list[tuple[str, ...]]:
    return [tuple(flat[at : at + width]) for at in range(0, len(flat), width)]
