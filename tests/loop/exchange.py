"""The exchange: sends the source's auctions to a bid server, tells it what came of its bids, and keeps its own books.

On a plain day each auction is over before the next begins. On a rough day bills come twice, late or with the address of
another notice, some bids are never heard of again, some are lost at a price that nobody tells, and events are told
twice: nothing of it may change what was bought. Some bills are above their bids or without a price: they cost the bid.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from tests.loop.requests import form
from tests.loop.room import JointBroken
from tests.loop.source import KPIS, MICRO, SLOTS
from tests.serving.served import Client, only_bid

DAY_SECONDS = 86_400
_LATE_AUCTIONS = 3  # of a rough day's slot, whose bills come when the next slot has begun
_LATE_SECONDS = 5  # before and after the end of the slot; less than a bid's money is held for
_MILLE = 1000
POOL = 256  # the source of whom a server has met fewer than `_FAMILIAR` times
_FAMILIAR = 3
_EVENTS = {"view": "views", "like": "likes", "share": "shares", "convert": "converted"}
"""What an exposure brings, by type of event; the server weighs a share as the source does."""
_SILENT, _UNPRICED, _FORGED, _OVERPRICED, _PRICELESS, _TWICE = (
    0.05,
    0.05,
    0.05,
    0.05,
    0.05,
    0.1,
)  # shares of a rough day's bids


@dataclass
class Exchange:
    """One exchange and its books.

    Attributes:
        bidder, admin: connections to the two addresses of the server.
        rng: of what goes wrong.
        by_win: whether its wins are all that it tells of what is owed.
        entries: the books, a row per request: day, slot, request_id, key (of the bid), segment, source, bot; in
            millionths price, KPIs, bid, cost; result (won, lost, expired, none); interacted, converted and views, as
            told; priced: whether the market price was.
        sent: notices that were sent, by what should become of them.
    """

    bidder: Client
    admin: Client
    rng: np.random.Generator
    by_win: bool = False
    entries: list[dict[str, Any]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    _met: Counter[str] = field(default_factory=Counter)  # requests by publisher
    _late: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    @property
    def books(self) -> pl.DataFrame:
        """The books as a table."""
        return pl.DataFrame(self.entries, infer_schema_length=None)

    def move(self, day: str, slot: float) -> dict[str, Any]:
        """Move the server's clock to a time of day, in slots; what the server says that it is."""
        now = midnight(day) + slot * DAY_SECONDS / SLOTS
        status, answer = self.admin.send("POST", "/admin/clock", {"now": now})
        if status != 200:
            raise JointBroken(f"exchange -> server: the clock cannot be moved: {status} {answer}")
        return dict(answer)

    def play_slot(self, auctions: list[dict[str, Any]], rough: bool) -> None:
        """Send one slot's auctions and what came of them; those of before that are late come first."""
        self._bill_late(rough)
        late = _LATE_AUCTIONS if rough and auctions else 0
        begin = len(auctions) - late
        for row in auctions[:begin]:
            self._play(row, rough, late=False)
        if late:
            self.move(auctions[0]["day"], auctions[0]["slot"] + 1 - _LATE_SECONDS * SLOTS / DAY_SECONDS)
        for row in auctions[begin:]:
            self._play(row, rough, late=True)

    def end_day(self, day: str, rough: bool) -> None:
        """Let midnight pass; what is late is billed then, and what it brought is told."""
        self.move(day, SLOTS)
        self._bill_late(rough, becomes="event_after_day")

    def hold(self, auctions: list[dict[str, Any]]) -> None:
        """Send auctions of which the bidder hears by `settle_held` alone that they were won."""
        for row in auctions:
            self._play(row, rough=False, late=True)

    def settle_held(self) -> int:
        """Tell what came of these bids, to whichever bidder there is now; how many had won."""
        count = len(self._late)
        self._bill_late(rough=False)
        return count

    def _bill_late(self, rough: bool, becomes: str = "event") -> None:
        for row, entry, bid in self._late:
            self._bill(row, entry, bid, rough, becomes)
        self._late = []

    def _play(self, row: dict[str, Any], rough: bool, late: bool) -> None:
        kept = {name: row[name] for name in ("day", "slot", "request_id", "price", *KPIS)}
        segment, publisher = f"{row['placement']}/{row['content']}", row["publisher"]
        self._met[publisher] += 1
        source = cluster(publisher) if self._met[publisher] >= _FAMILIAR else POOL
        entry = {**kept, "key": "", "segment": segment, "source": source, "bot": row["bot"], "bid": 0, "result": "none"}
        entry |= {"cost": 0, "interacted": 0, "converted": 0, "views": 0, "priced": False}
        self.entries.append(entry)
        fields, imp = form(len(self.entries))
        hints = {kpi: row[kpi] / MICRO for kpi in KPIS} | {"segment": segment}
        asked = imp | {"id": "1", "ext": {"bidpilot": hints}}
        site = {"publisher": {"id": publisher}}
        status, response = self.bidder.bid(asked, **fields | {"id": row["request_id"], "site": site})
        if status == 204:
            return
        if status != 200 or "seatbid" not in response:
            raise JointBroken(f"exchange -> server: {row['request_id']} was answered with {status} {response}")
        bid = only_bid(response)
        entry |= {"key": bid["id"], "bid": round(bid["price"] * _MILLE)}
        if rough and self.rng.random() < _SILENT:
            entry["result"] = "expired"
        elif entry["bid"] < entry["price"]:
            entry |= {"result": "lost", "priced": not rough or self.rng.random() >= _UNPRICED}
            self._tell(bid["lurl"], 204, "loss", least=entry["price"] / _MILLE if entry["priced"] else None)
        elif late:
            self._late.append((row, entry, bid))
        else:
            self._bill(row, entry, bid, rough)

    def _bill(
        self, row: dict[str, Any], entry: dict[str, Any], bid: dict[str, Any], rough: bool, becomes: str = "event"
    ) -> None:
        """The bid has won: tell so, bill it at the market price, and tell what the exposure brought."""
        price = entry["price"] / _MILLE
        self._tell(bid["nurl"], 204, "win", price, price)
        if rough and self.rng.random() < _FORGED:
            forged = bid["burl"].split("?")[0] + "?" + bid["nurl"].split("?")[1]
            self._tell(forged, 403, "forged", price)
        odd = self.rng.random() if rough else 1.0
        if self.by_win:
            self.sent["settled"] += 1
        elif odd < _OVERPRICED:
            self.sent["price_above_bid"] += 1
            self._tell(bid["burl"], 204, "settled", (entry["bid"] + MICRO) / _MILLE, price)
        elif odd < _OVERPRICED + _PRICELESS:
            self.sent["price_unreplaced"] += 1
            self._tell(bid["burl"], 204, "settled", None, price)
        else:
            self._tell(bid["burl"], 204, "settled", price, price)
        cost = entry["price"] if odd >= _OVERPRICED + _PRICELESS else entry["bid"]
        entry |= {"result": "won", "cost": cost, "priced": True}
        again = rough and self.rng.random() < _TWICE
        if again:
            self._tell(bid["burl"], 204, "duplicate", price, price)
            self._tell(bid["lurl"], 204, "loss", least=price)  # nothing is freed that was billed
        entry |= {name: row[name] for name in ("interacted", "converted", "views")}
        url = bid["ext"]["bidpilot"]["event_url"]
        for event, count in _EVENTS.items():
            if row[count]:
                told = f"&e={event}&n={row[count]}"
                self._tell(url, 204, becomes, extra=told)
                if again:
                    self._tell(url, 204, "event_repeated", extra=told)

    def _tell(
        self, url: str, status: int, becomes: str, price: float | None = None, least: float | None = None,
        extra: str = "",
    ) -> None:  # fmt: skip
        found = self.bidder.notice(url, price, least, extra)
        if found != status:
            raise JointBroken(f"exchange -> server: a notice that is {becomes} got {found}, not {status}: {url}")
        self.sent[becomes] += 1


def cluster(publisher: str) -> int:
    """The cluster that a server counts a publisher in once it is familiar: the documented CRC-32, of 256."""
    return zlib.crc32(publisher.encode()) % POOL


def midnight(day: str) -> float:
    """Seconds since 1970 at which a day (ISO 8601) begins, UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def money(campaign: dict[str, Any]) -> dict[str, int]:
    """A campaign's money as the administration tells it, in millionths."""
    return {part: round(amount * MICRO) for part, amount in campaign["money"].items()}
