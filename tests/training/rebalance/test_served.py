"""A week with a bid server: nights re-plan what its days have spent, and the server's next days have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.server import applications
from bidpilot.serving.told import Told
from bidpilot.solvers.portfolio import Portfolio, roll
from bidpilot.training.cli import main
from tests.serving.conftest import write_controller_bundle
from tests.serving.doors import Given
from tests.training.rebalance.admin import TOKEN, listening
from tests.training.rebalance.test_run import NAMES, TERMS

FIRST = date(2024, 10, 4)  # 20,000 days after 1970-01-01
CITY = 13 * 3600.0  # its clock is ahead of UTC's


class Week:
    """A bidder whose administration is asked as over the network, by a clock that is moved."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.clock = ManualClock(20_000 * DAY - CITY)
        entries = [{"name": name, "campaign": {"budget": 20.0}} for name in NAMES]
        (folder / "campaigns.json").write_text(json.dumps(entries))
        limits = GuardrailConfig(slot_share=1.0)
        self.config = ServeConfig(
            bundle=bundle,
            state=folder / "state",
            campaigns=folder / "campaigns.json",
            timezone="Pacific/Tongatapu",
            guardrails=limits,
        )
        self.bidder: Bidder = open_bidder(self.config, self.clock)
        self.rng = np.random.default_rng(3)
        self.spent: dict[str, list[float]] = {name: [] for name in NAMES}

    def restart(self) -> None:
        self.bidder.close()
        self.bidder = open_bidder(self.config, self.clock)

    def answer(self, method: str, path: str, query: str, body: bytes, token: str) -> tuple[int, bytes]:
        import asyncio

        async def read(most: int, seconds: float) -> bytes:
            return body

        app = applications(self.bidder, self.config, "http://127.0.0.1")[1]
        response = asyncio.run(app(Given(method, path, query, token, read)))
        return response.status, response.body

    def play(self, day: int, most: float) -> None:
        """A day on which campaigns win until they have spent `most`, at 20:00, and a bill of it comes at 23:00."""
        self.clock.move((20_000 + day) * DAY - CITY + 20 * 3600)
        self.bidder.tick()
        segments = len(self.bidder.bundle.manifest.segments)
        spent = dict.fromkeys(NAMES, 0.0)
        for _ in range(4000):
            value = tuple(self.rng.uniform(0.2, 1.0) * x for x in (0.6, 0.2, 0.004))
            made = self.bidder.bid(Opportunity(value, int(self.rng.integers(segments))))  # type: ignore[arg-type]
            if not isinstance(made, Bid):
                break
            name = made.ticket.account.partition("@")[0]
            if spent[name] >= most:
                self.bidder.loss(made.ticket)
                continue
            self.bidder.bill(made.ticket, made.amount / MICRO)
            self.bidder.outcome(made.ticket, Told(interaction=0.3, conversion=0.0))
            spent[name] += made.amount / MICRO
        for name in NAMES:
            self.spent[name].append(spent[name])

    def late(self, day: int) -> None:
        """One minute to midnight."""
        self.clock.move((20_001 + day) * DAY - CITY - 60)
        self.bidder.tick()

    def budgets(self) -> dict[str, float]:
        """Of the running day, by the ledger."""
        found = {}
        for name, day in self.bidder.days.items():
            state = self.bidder.desk.keeper.store.state(day.account)
            assert state is not None
            found[name] = state.budget / MICRO
        return found


@pytest.fixture
def week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Week]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("BIDPILOT_NOTICE_SECRET", "s" * 40)
    monkeypatch.chdir(tmp_path)
    Path("week.yaml").write_text(yaml.safe_dump(TERMS | {"days": 3, "budget": 120.0}))
    made = Week(write_controller_bundle(tmp_path / "bundle"), tmp_path)
    yield made
    made.bidder.close()


def test_nights_give_a_server_the_budgets_of_its_days(week: Week) -> None:
    portfolio = Portfolio.model_validate(TERMS | {"days": 3, "budget": 120.0})
    forecast = week.bidder.desk.forecast

    def night(*options: str) -> dict[str, Any]:
        with listening(week.answer) as address:
            main(["rebalance", "week.yaml", "--admin", address, "--bundle", "bundle", "--json", "night.json", *options])
        return dict(json.loads(Path("night.json").read_text()))

    week.play(0, 3.0)
    week.late(0)
    record = night("--start", FIRST.isoformat())
    assert record["day"] == "2024-10-05"
    told = {name: sum(one["spent"]) - one["to_come"] for name, one in record["campaigns"].items()}
    assert told == pytest.approx({name: days[0] for name, days in week.spent.items()}, abs=1e-4)
    assert sum(one["to_come"] for one in record["campaigns"].values()) < 0.5  # of 60 that the day might have had
    spent = np.array([one["spent"] for one in record["campaigns"].values()])
    expected = roll(forecast, portfolio, spent, 1).budgets[:, 0]
    planned = {name: one["tomorrow"] for name, one in record["campaigns"].items()}
    assert list(planned.values()) == pytest.approx(expected.tolist(), abs=1e-4)
    assert week.budgets() == pytest.approx(dict.fromkeys(NAMES, 20.0))  # the day under way has its own

    week.restart()  # what was answered outlives the process
    assert night() == record
    week.play(1, 8.0)
    assert week.budgets() == pytest.approx(planned, abs=1e-6)
    assert {n: d._pilot.campaign.budget for n, d in week.bidder.days.items()} == pytest.approx(planned, abs=1e-6)

    week.late(1)
    second = night()
    assert second["horizon"] == {"first": "2024-10-04", "last": "2024-10-06", "over": 2}
    gone = sum(sum(days) for days in week.spent.values())
    total = sum(one["tomorrow"] for one in second["campaigns"].values())
    # the last day may have all that is left: of the reserve nothing is held any more
    assert total == pytest.approx(120.0 - gone, abs=0.5)
    assert "behind plan" in json.dumps(second)
    week.play(2, 1e9)
    assert sum(sum(days) for days in week.spent.values()) <= 120.0

    week.late(2)
    third = night()
    assert third["horizon"] == {"first": "2024-10-07", "last": "2024-10-09", "over": 0}
    assert sum(sum(one["spent"]) for one in third["campaigns"].values()) == 0.0
