"""The bundle bids on the test days as they were, a rough one, and one with bots; its ledger is the exchange's books."""

from __future__ import annotations

import re
from collections import Counter

import polars as pl

from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import AccountState
from tests.loop.exchange import Exchange, midnight, money
from tests.loop.room import Room
from tests.loop.source import MICRO, SLOTS
from tests.serving.served import Client, Served

CAMPAIGN = "default"
_OPTIONS = (
    "--clock", "manual",
    # nobody bids beside it, and a busy machine is no fault of the policy: it decides as it does in the environment
    "--guardrails.slot-share", "1", "--guardrails.patience", "60",
)  # fmt: skip
# Of the budget: an auction whose price is a millionth from the bid, which the environment does not round, may go the
# other way, and costs about a hundredth of one day's budget.
_PARITY = 0.005
_COUNTER = re.compile(r'^bidpilot_notices_total\{result="(\w+)"\} (\S+)$', re.MULTILINE)
_REFUSED = re.compile(r"^bidpilot_refused_traffic_total\{.*\} (\S+)$", re.MULTILINE)
_TOTAL = r"^bidpilot_{}_total (\S+)$"


def run(room: Room) -> None:
    """Serve the champion, play every day against it, stop it, and hold money and counts against the books."""
    options = (*_OPTIONS, "--decisions", str(room.path("decisions")))
    days = [(day, name == "rough") for name in ("served", "rough", "burst") for day in room.sources[name].days]
    with Served(room.path("bundles/first"), room.path("state"), *options) as server:
        with server.client() as bidder, server.administrator() as admin:
            room.same("bundle -> server: ready", bidder.send("GET", "/ready")[0], 200)
            exchange = Exchange(bidder, admin, room.rng)
            for day, rough in days:
                play_day(room, exchange, day, rough)
            room.books = exchange.books
            metrics = str(admin.send("GET", "/metrics")[1])
            check_counters(room, room.books, exchange.sent, metrics)
            room.refused = sum(round(float(count)) for count in _REFUSED.findall(metrics))
        room.same("server: a clean end", server.stop(), 0)
    store = SqliteStore(room.path("state/ledger.sqlite"), lambda: midnight(days[-1][0]))
    try:
        accounts = {day: store.state(f"{CAMPAIGN}@{day}") for day, _ in days}
    finally:
        store.close()
    check_ledger(room, room.books, accounts, round(room.sources["served"].budget * MICRO))
    check_parity(room)
    tell_figures(room, exchange.sent)


def play_day(room: Room, exchange: Exchange, day: str, rough: bool) -> None:
    """Play one day slot by slot; after each slot the server's money is what the exchange has billed."""
    (source,) = (s for s in room.sources.values() if day in s.days)
    of_day = source.auctions.filter(source.auctions["day"] == day)
    begin = len(exchange.entries)
    for slot in range(SLOTS):
        now = exchange.move(day, slot)
        room.same("exchange -> server: day and slot", (now["date"], now["slot"]), (day, slot))
        exchange.play_slot(of_day.filter(of_day["slot"] == slot).to_dicts(), rough)
        billed = sum(entry["cost"] for entry in exchange.entries[begin:])
        check_money(room, exchange.admin, f"{day} slot {slot}", billed, round(source.budget * MICRO))
    exchange.end_day(day, rough)


def check_money(room: Room, admin: Client, when: str, billed: int, budget: int) -> None:
    """The account has settled what was billed, to the millionth, and holds no more than its budget."""
    told = money(admin.send("GET", "/admin/campaigns")[1][CAMPAIGN])
    settled = told.get("settled", 0)
    room.same("bills -> ledger: settled money", f"{when}: {settled}", f"{when}: {billed}")
    within = settled + told["promised"] + told["free"] <= budget == told["budget"] and told["debt"] == 0
    room.holds("bills -> ledger: within the budget, no debt", within, f"{when}: {told}")


def check_counters(room: Room, books: pl.DataFrame, notices: Counter[str], metrics: str) -> None:
    """What the server counted is what was sent to it."""
    for name, expected in (("auctions", books.height), ("bids", books.filter(books["key"] != "").height)):
        found = re.search(_TOTAL.format(name), metrics, re.MULTILINE)
        room.same(f"exchange -> server: {name}", found and round(float(found[1])), expected)
    sent = notices + Counter(expired=books.filter(books["result"] == "expired").height)
    counted = {name: round(float(count)) for name, count in _COUNTER.findall(metrics)}
    room.same("exchange -> server: notices by what became of them", counted, dict(sent))


def check_ledger(room: Room, books: pl.DataFrame, accounts: dict[str, AccountState | None], budget: int) -> None:
    """Each day's account, read after the server has stopped, has paid for what was won that day and nothing else."""
    for day, state in accounts.items():
        cost = int(books.filter(books["day"] == day)["cost"].sum())
        found = None if state is None else (state.settled, state.debt, state.budget)
        room.same("bills -> ledger on disk: settled, debt, budget", (day, found), (day, (cost, 0, budget)))
        room.holds("bills -> ledger on disk: within the budget", cost <= budget, f"{day}: {cost} of {budget}")


def check_parity(room: Room) -> None:
    """Over the days that evaluation played too, the server spent what evaluation said it would."""
    source = room.sources["served"]
    played = room.books.filter(room.books["day"].is_in(source.days))
    share = int(played["cost"].sum()) / MICRO / source.budget / len(source.days)
    near = abs(share - room.expected_spend) <= _PARITY
    room.holds("evaluation -> server: share of the budget spent", near, f"{share} served, {room.expected_spend} played")


def tell_figures(room: Room, notices: Counter[str]) -> None:
    """What was played, for the table."""
    results = dict(room.books["result"].value_counts(sort=True).iter_rows())
    brought = {name: int(room.books[name].sum()) for name in ("interacted", "converted")}
    room.tell(f"{room.books.height} requests: {results}; spent {int(room.books['cost'].sum()) / MICRO}; {brought}")
    room.tell(f"notices: {dict(notices)}")
