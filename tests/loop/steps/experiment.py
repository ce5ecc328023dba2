"""An experiment over HTTP: the first policy against one that was planned for a market where all was half as dear.

Users are split, each arm has its own money, and the decision log alone says who has won; promotion demands that.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl

from bidpilot.bidding.bundle import load_bundle
from tests.loop.exchange import DAY_SECONDS, midnight
from tests.loop.registry import demand_experiment
from tests.loop.room import Room
from tests.loop.source import KPIS, MICRO, SLOTS
from tests.serving.conftest import write_controller_bundle
from tests.serving.served import Client, Served, only_bid

WON = "won.json"
"""What the analysis said, in the room's folder."""
_DAYS, _AUCTIONS, _USERS = 15, 60, 400
_ARMS = {"default.control": "control", "default.new": "new"}
_OPTIONS = ("--clock", "manual", "--guardrails.slot-share", "1", "--guardrails.patience", "60")


def run(room: Room) -> None:
    """Serve both arms for some days, analyse the log, and stop the experiment in favour of who has won."""
    first = load_bundle(room.path("bundles/first"))
    landscape = first.forecast.landscape
    cheap = replace(first.forecast, landscape=replace(landscape, price=landscape.price / 2))
    write_controller_bundle(room.path("bundles/cheap"), "plan", first.manifest.campaign, cheap)
    arms = [{"name": "control", "share": 0.5}, {"name": "new", "share": 0.5, "bundle": "bundles/first"}]
    file = room.path("experiment.json")
    file.write_text(json.dumps({"name": "dearer", "arms": arms}))
    options = (*_OPTIONS, "--decisions", str(room.path("arms")), "--experiment", str(file))
    with Served(room.path("bundles/cheap"), room.path("arms-state"), *options) as server:
        with server.client() as bidder, server.administrator() as admin:
            world = _World(room, bidder, admin)
            for day in world.days:
                world.play(day)
            world.stop()
        room.same("server: a clean end", server.stop(), 0)
    check_log(room, world)
    analyse(room)
    demand_experiment(room, "1")


class _World:
    """Exchange and users of the experiment, and what they have seen of it."""

    def __init__(self, room: Room, bidder: Client, admin: Client) -> None:
        self.room, self.bidder, self.admin = room, bidder, admin
        auctions = pl.concat([room.sources[name].auctions for name in ("train", "test")])
        self.days = [str(day) for day in auctions["day"].unique(maintain_order=True)][:_DAYS]
        self.auctions = {day: self._of(auctions, day) for day in self.days}
        self.arm_of: dict[str, str] = {}  # of users, by the campaign whose bid they got
        self.billed: Counter[str] = Counter()  # of a day, micro-units by campaign
        self.requests = 0

    def _of(self, auctions: pl.DataFrame, day: str) -> pl.DataFrame:
        own = auctions.filter(pl.col("day") == day)
        picked = sorted(self.room.rng.choice(own.height, min(_AUCTIONS, own.height), replace=False).tolist())
        return own[picked]

    def play(self, day: str) -> None:
        """A day's auctions, each of a user; then each arm's account has what the exchange has billed."""
        self.billed.clear()
        for (slot,), rows in self.auctions[day].group_by("slot", maintain_order=True):
            self._move(day, int(slot))
            for row in rows.to_dicts():
                self._auction(row)
        arms = self.admin.send("GET", "/admin/experiment")[1]["arms"]
        budget = round(self.room.sources["train"].budget * MICRO / 2)
        for campaign, arm in _ARMS.items():
            money = arms[arm]["campaigns"][campaign]
            found = round(money["settled"] * MICRO), round(money["budget"] * MICRO)
            self.room.same("bills -> arms: each its own money", (day, *found), (day, self.billed[campaign], budget))

    def _move(self, day: str, slot: int) -> None:
        self.admin.send("POST", "/admin/clock", {"now": midnight(day) + slot * DAY_SECONDS / SLOTS})

    def _auction(self, row: dict[str, Any]) -> str | None:
        """One auction of a user, won where the bid reaches the price; whose bid it was."""
        segment = f"{row['placement']}/{row['content']}"
        hints = {kpi: row[kpi] / MICRO for kpi in KPIS} | {"segment": segment}
        user = f"user-{self.room.rng.integers(_USERS)}"
        self.requests += 1
        status, response = self.bidder.bid(
            {"id": "1", "ext": {"bidpilot": hints}}, id=row["request_id"], user={"id": user}
        )
        if status != 200:
            return None
        bid = only_bid(response)
        campaign, least = str(bid["cid"]), row["price"] / 1000
        self.room.same("users -> arms: one for each", (user, self.arm_of.setdefault(user, campaign)), (user, campaign))
        if bid["price"] >= least:
            self.billed[campaign] += row["price"]
            self.room.same("bills -> server", self.bidder.notice(bid["burl"], least, least), 204)
        else:
            self.bidder.notice(bid["lurl"], None, least)
        return campaign

    def stop(self) -> None:
        """An operator ends it: all users and what is left of the money go to the new arm."""
        status, told = self.admin.send("POST", "/admin/experiment/stop", {"to": "new"})
        self.room.same("stop -> server: answered", (status, told["ended_to"]), (200, "new"))
        money = {arm: told["arms"][arm]["campaigns"][campaign] for campaign, arm in _ARMS.items()}
        told_of = self.admin.send("GET", "/admin/campaigns")[1]
        self.room.holds("stop -> arms: the other is paused", told_of["default.control"]["paused"], str(money))
        self.arm_of.clear()
        bids = Counter(self._auction(row) for row in self.auctions[self.days[-1]].tail(20).to_dicts())
        self.room.same("stop -> users: all in one arm", set(bids) - {None}, {"default.new"})


def check_log(room: Room, world: _World) -> None:
    """The log has each request once, in its arm; what came after the stop is no part of the experiment."""
    rows = pl.read_parquet(room.path("arms") / "decisions-*.parquet")
    room.same("requests -> log: one row each", rows.height, world.requests)
    inside = rows.filter(pl.col("experiment") == "dearer")
    room.same("stop -> log: outside of the experiment", rows.height - inside.height, 20)
    room.same("arms -> log", sorted(set(inside["arm"])), ["control", "new"])
    room.tell(f"{inside.height} requests of {world.requests}: {dict(inside['arm'].value_counts().iter_rows())}")


def analyse(room: Room) -> None:
    """The log says that the new arm has won, and whose bundle that was."""
    room.bidpilot("ab", "analyse", "arms", "--json", WON)
    (row,) = json.loads(room.path(WON).read_text())
    room.same(
        "log -> experiment: days and arms", (row["units"], row["control"], row["treated"]), (_DAYS, "control", "new")
    )
    room.holds("log -> experiment: won", row["verdict"] == "won", f"{row}")
    room.same("bundle -> log -> experiment: the run that has won", row["bundles"][1]["run"], room.runs["first"])
    room.tell(f"won by {row['difference']:+.1%} ({row['low']:+.1%} to {row['high']:+.1%}) after {row['after']} days")
