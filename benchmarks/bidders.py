"""Several bidders on one budget: what a simulated day spends and brings, beside one bidder that gets the same requests.

Each bidder is the in-process one with a clock of the simulation's, and all lease from one ledger and tell each other of
each slot. A row's requests are dealt out at random by the split. A bidder that is dead takes no request from noon on:
they are lost to all (`lost`), or come to the others (`moved`). The one bidder that a row is held against sees exactly
the requests that came to living bidders. Wins are billed 20 seconds later, to a living bidder; losses are told at once.
"""

from __future__ import annotations

import argparse
import heapq
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs import seeding
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.markets.defaults import preset_market
from bidpilot.serving.auction import NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, Clock, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket

START = 20_000 * DAY
NOON = DAY / 2
PATIENT = GuardrailConfig(patience=60.0)  # how fast this machine is must not matter
BEAT = 5.0  # seconds between two ticks
_LATE = 20.0  # seconds from a win to its bill


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    split: tuple[float, ...]  # of the requests, by bidder; a bidder of 0 is not running
    dead: int | None = None  # the bidder that is gone from noon on
    moved: bool = False  # whether its requests come to the others then
    expected: int | None = None  # bidders that the configuration names; None: as many as there are

    @property
    def name(self) -> str:
        """What the row says."""
        split = ":".join(f"{100 * part:.0f}" for part in self.split)
        gone = (
            "" if self.dead is None else f", {self.dead + 1} dead at noon, requests {'moved' if self.moved else 'lost'}"
        )
        return f"{split}{gone}" + ("" if self.expected is None else f", {self.expected} configured")


ROWS = (
    Row((0.5, 0.5)),
    Row((0.97, 0.03)),
    Row((1.0, 0.0)),
    Row((0.5, 0.5, 0.0, 0.0)),
    Row((0.4, 0.3, 0.2, 0.1)),
    Row((0.5, 0.5), dead=0),
    Row((0.5, 0.5), dead=0, moved=True),
    Row((0.97, 0.03), dead=0),
    Row((0.97, 0.03), dead=0, moved=True),
    Row((0.97, 0.03), dead=1),
    Row((0.97, 0.03), dead=1, moved=True),
)


@dataclass
class Played:
    """What a day brought."""

    spend: float = 0.0  # settled, currency
    owed: float = 0.0  # debt, currency
    kpi: np.ndarray = field(default_factory=lambda: np.zeros(3))  # predicted, of billed wins
    wins: int = 0
    by_bidder: list[float] = field(default_factory=list)  # settled, currency
    reasons: dict[str, int] = field(default_factory=dict)  # why there was no bid


class OneLedger(SqliteStore):
    """A ledger that all bidders of this process share, as they would share Redis."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock, shared=True)

    def close(self) -> None:
        """Stay open: it is each bidder's, and closed by none of them."""

    def end(self) -> None:
        """Close it after all."""
        super().close()


def deal(row: Row, auctions: DayAuctions, generator: np.random.Generator) -> np.ndarray:
    """Which bidder each auction comes to, (N,); -1 where to none."""
    who = generator.choice(len(row.split), len(auctions.slot), p=np.array(row.split) / sum(row.split))
    if row.dead is None:
        return who
    after = (times(auctions) >= NOON) & (who == row.dead)
    living = np.array([0.0 if k == row.dead else part for k, part in enumerate(row.split)])
    others = generator.choice(len(row.split), len(who), p=living / living.sum())
    return np.where(after, others if row.moved else -1, who)


def times(auctions: DayAuctions, slots: int = 48) -> np.ndarray:
    """When each auction comes, (N,) seconds after midnight: evenly within its slot."""
    first = np.searchsorted(auctions.slot, np.arange(slots + 1))
    counts = np.diff(first)
    within = (np.arange(len(auctions.slot)) - first[auctions.slot] + 0.5) / counts[auctions.slot]
    return (auctions.slot + within) * (DAY / slots)


class Replay:
    """A day's auctions, played to bidders that share a ledger."""

    def __init__(self, bidders: dict[int, Bidder], clock: ManualClock, played: Played) -> None:
        self.bidders, self.clock, self.played = bidders, clock, played
        self._bills: list[tuple[float, int, int, Ticket, float]] = []
        played.by_bidder = [0.0] * (1 + max(bidders))

    def wait(self, until: float) -> None:
        """Let time pass, with everybody's clockwork, and bills that come."""
        while self.clock() < until:
            self.clock.move(min(until, self._next_beat()))
            for bidder in self.bidders.values():
                bidder.tick()
            while self._bills and self._bills[0][0] <= self.clock():
                self._bill(*heapq.heappop(self._bills)[2:])

    def _next_beat(self) -> float:
        now = self.clock()
        slot = DAY / 48
        since = (now - START) % slot
        # the moments after a boundary are looked at closely
        step = 0.05 if since < 0.5 else 0.25 if since < 3.0 else BEAT
        return min(now + step, now + slot - since)

    def auction(self, who: int, i: int, auctions: DayAuctions) -> None:
        """One auction comes to a bidder."""
        bidder = self.bidders[who]
        value = (float(auctions.predicted[i, 0]), float(auctions.predicted[i, 1]), float(auctions.predicted[i, 2]))
        answer = bidder.bid(Opportunity(value, int(auctions.segment[i]), int(auctions.source[i])))
        market = float(auctions.price[i])
        if isinstance(answer, NoBid):
            self.played.reasons[answer.reason] = self.played.reasons.get(answer.reason, 0) + 1
        elif answer.amount / MICRO < market:
            bidder.loss(answer.ticket, market)
        else:
            bidder.win(answer.ticket, market, market)
            heapq.heappush(self._bills, (self.clock() + _LATE, i, who, answer.ticket, market))

    def _bill(self, who: int, ticket: Ticket, market: float) -> None:
        bidder = self.bidders.get(who) or next(iter(self.bidders.values()))
        bidder.bill(ticket, market, market)
        self.played.by_bidder[who] += round(market * MICRO) / MICRO
        self.played.kpi += ticket.value
        self.played.wins += 1


def play(bundle: Path, folder: Path, auctions: DayAuctions, who: np.ndarray, row: Row) -> Played:
    """Play a day; `who` gets each auction."""
    clock, played = ManualClock(START), Played()
    ledger = OneLedger(folder / "ledger.sqlite", clock)
    ledger.shared = len(row.split) > 1  # the one bidder beside which a row is held has its ledger for itself
    expected = len(row.split) if row.expected is None else row.expected
    config = ServeConfig(bundle=bundle, bidders=expected, guardrails=PATIENT)
    running = [k for k, part in enumerate(row.split) if part > 0]
    bidders = {
        k: open_bidder(config.model_copy(update={"state": folder / str(k)}), clock, store=ledger) for k in running
    }
    account = bidders[running[0]].days["default"].account
    replay = Replay(bidders, clock, played)
    for i, at in enumerate(times(auctions)):
        if row.dead in bidders and at >= NOON:
            replay.wait(START + NOON - 1.0)
            del bidders[row.dead]  # killed: it closes nothing
        replay.wait(START + at)
        if who[i] >= 0:
            replay.auction(int(who[i]), i, auctions)
    replay.wait(START + DAY - 1e-3)
    state = ledger.state(account)
    assert state is not None
    assert state.settled + state.held <= state.budget
    played.spend, played.owed = state.settled / MICRO, state.debt / MICRO
    for bidder in bidders.values():
        bidder.close()
    ledger.end()
    return played


def table(
    bundle: Path, day: DayAuctions, rows: Sequence[Row], seed: int, alone: dict[bytes, Played] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of the table, each beside one bidder with the same requests; `alone` keeps what that one has played."""
    alone = {} if alone is None else alone
    for row in rows:
        who = deal(row, day, np.random.default_rng(seed))
        offered = np.where(who >= 0, 0, -1)
        if (key := offered.tobytes()) not in alone:
            with memory() as folder:
                alone[key] = play(bundle, folder, day, offered, Row((1.0,)))
        with memory() as folder:
            found = play(bundle, folder, day, who, row)
        one = alone[key]
        value, whole = (worth(bundle, played.kpi) for played in (found, one))
        yield {
            "name": "several_bidders",
            "row": row.name,
            "requests": int((who >= 0).sum()),
            "value": found.spend,
            "unit": "currency spent",
            "baseline": one.spend,
            "ratio": found.spend / one.spend,
            "worth_ratio": value / whole,
            "owed": found.owed,
            "by_bidder": [round(x, 3) for x in found.by_bidder],
            "no_bids": found.reasons,
        }


def worth(bundle: Path, kpi: np.ndarray) -> float:
    """The campaign's utility of a day's KPIs."""
    with memory() as folder, open_bidder(ServeConfig(bundle=bundle, state=folder), ManualClock(START)) as bidder:
        campaign = bidder.served["default"].campaign
        batch = CampaignBatch.repeat(campaign, 1)
        ideal = Planner(bidder.desk.forecast).plan(batch)[0].ideal
        return float(utility(kpi[None], ideal, batch.preference, batch.kind)[0])


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: no commit of it must outlive the run."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


def recorded(seed: int, every: int = 1) -> DayAuctions:
    """A day of `daily` that no forecast has seen; of it each `every`-th auction."""
    market = preset_market()
    generator = seeding.stream(seeding.VALIDATION, 1000 + seed)
    day = materialise(market, market.days(generator.random((1, market.draws))), 0)
    return replace(day, **{name: column[::every] for name, column in vars(day).items()})


def main() -> None:
    """Print one JSON line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="policy bundle (bidpilot export); an untrained one where none")
    parser.add_argument("--days", type=int, default=1)
    arguments = parser.parse_args()
    with memory() as folder:
        bundle = arguments.bundle or untrained(folder)
        for seed in range(arguments.days):
            for line in table(bundle, recorded(seed), ROWS, seed):
                print(json.dumps(line | {"day": seed}), flush=True)


def untrained(folder: Path) -> Path:
    """The bundle of a policy that adds nothing to its controller."""
    made: Path = run_path(str(Path(__file__).with_name("serving.py")))["make_bundle"](folder)
    return made


if __name__ == "__main__":
    main()
