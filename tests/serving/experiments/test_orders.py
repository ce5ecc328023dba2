"""What operators order holds as an experiment begins, is stopped and goes away, and no money is spent twice for it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.server import applications
from tests.serving.doors import ask
from tests.serving.experiments.conftest import BUDGET, Ground, experiment_file, trade

ARMS = ("spring.control", "spring.new")
SEEDS = int(os.environ.get("BIDPILOT_ORDERS", "4"))


class Operator:
    """Orders of one bidder over its administration."""

    def __init__(self, ground: Ground, bidder: Bidder) -> None:
        _, app = applications(bidder, ServeConfig(bundle=ground.bundle, state=ground.state), "http://here")
        assert isinstance(app, AdminApp)
        self._app = app

    def order(self, path: str, body: Any = None, status: int = 200) -> None:
        answer = ask(self._app, f"/admin/{path}", {} if body is None else body, token="t")
        assert answer.status == status, answer.body


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "t")


def budgets(bidder: Bidder) -> dict[str, int]:
    states = {name: day.wallet.state for name, day in bidder.days.items()}
    return {name: 0 if state is None else state.budget for name, state in states.items()}


def test_a_stop_resumes_nothing_that_was_paused(ground: Ground) -> None:
    file = experiment_file(ground.folder)
    with ground.open(file) as bidder:
        operator = Operator(ground, bidder)
        operator.order("campaigns/spring/pause")
        operator.order("experiment/stop", {"to": "new"})
        assert bidder.served["spring.new"].paused
        operator.order("experiment/stop", {"to": "control"})
        assert bidder.served["spring.control"].paused
        assert trade(bidder, 20) == {}
    with ground.open(file) as bidder:
        assert trade(bidder, 20) == {}
        Operator(ground, bidder).order("campaigns/spring/resume")
        assert set(trade(bidder, 20)) == {"spring.control"}
    with ground.open(None) as bidder:
        assert set(trade(bidder, 20)) == {"spring"}


def test_an_arm_that_was_paused_alone_goes_on_where_the_stop_is_for_it(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        operator = Operator(ground, bidder)
        operator.order("campaigns/spring.new/pause")
        operator.order("experiment/stop", {"to": "new"})
        assert set(trade(bidder, 20)) == {"spring.new"}
        operator.order("campaigns/spring.new/pause")
        operator.order("experiment/stop", {"to": "new"})
        assert trade(bidder, 20) == {}


def test_orders_of_the_campaign_hold_for_its_arms_and_after_them(ground: Ground) -> None:
    file = experiment_file(ground.folder)
    with ground.open(None) as bidder:
        operator = Operator(ground, bidder)
        operator.order("campaigns/spring/budget", {"budget": 10})
        operator.order("campaigns/spring/pause")
    for _ in range(2):
        with ground.open(file) as bidder:
            assert budgets(bidder) == dict.fromkeys(ARMS, 5 * MICRO)
            assert trade(bidder, 20) == {}
    with ground.open(file) as bidder:
        operator = Operator(ground, bidder)
        operator.order("campaigns/spring/resume")
        operator.order("campaigns/spring/budget", {"budget": 12})
        assert budgets(bidder) == dict.fromkeys(ARMS, 6 * MICRO)
    with ground.open(file) as bidder:
        assert budgets(bidder) == dict.fromkeys(ARMS, 6 * MICRO)
        assert set(trade(bidder, 20)) == set(ARMS)
        spent = sum(day.wallet.state.settled for day in bidder.days.values() if day.wallet.state)
    with ground.open(None) as bidder:
        assert budgets(bidder) == {"spring": pytest.approx(12 * MICRO - spent, abs=2)}


def test_a_file_that_says_otherwise_has_the_last_word(ground: Ground) -> None:
    file = experiment_file(ground.folder)
    with ground.open(None) as bidder:
        Operator(ground, bidder).order("campaigns/spring/budget", {"budget": 10})
    with ground.open(file, [{"name": "spring", "campaign": {"budget": 30.0}}]) as bidder:
        assert budgets(bidder) == dict.fromkeys(ARMS, 15 * MICRO)


def test_a_budget_that_is_ordered_does_not_bring_back_what_others_have_spent_that_day(ground: Ground) -> None:
    with ground.open(None) as bidder:
        spent = trade(bidder, 60)["spring"]
    file = experiment_file(ground.folder)
    with ground.open(file) as bidder:
        Operator(ground, bidder).order("campaigns/spring/budget", {"budget": BUDGET})
        assert sum(budgets(bidder).values()) == pytest.approx(BUDGET * MICRO - spent, abs=2)
        spent += sum(trade(bidder, 60).values())
    with ground.open(None) as bidder:
        own = bidder.days["spring"].wallet.state
        assert own is not None
        Operator(ground, bidder).order("campaigns/spring/budget", {"budget": BUDGET})
        elsewhere = spent - own.settled
        assert budgets(bidder) == {"spring": pytest.approx(BUDGET * MICRO - elsewhere, abs=2)}


def test_orders_of_an_arm_that_is_closed_are_refused(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        operator = Operator(ground, bidder)
        operator.order("experiment/stop", {"to": "new"})
        for action, body in (("pause", {}), ("resume", {}), ("budget", {"budget": 5})):
            operator.order(f"campaigns/spring.control/{action}", body, 400)
        operator.order("campaigns/spring/budget", {"budget": 30})
        assert budgets(bidder)["spring.new"] == 30 * MICRO


def test_a_campaign_that_was_deleted_by_an_order_is_not_split(ground: Ground) -> None:
    with ground.open(None) as bidder:
        bidder.remove("spring", "anna")
    with pytest.raises(InvalidExperiment, match="deleted by an order"):
        ground.open(experiment_file(ground.folder))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_ordered_a_day_costs_no_more_than_the_greatest_budget_of_it(ground: Ground, seed: int) -> None:
    """Spending, experiments that begin, stop and go, budgets, pauses and restarts, in any order."""
    rng, file = np.random.default_rng(seed), experiment_file(ground.folder)
    greatest, paused, spent = 2.0, False, 0
    usual = [{"name": "spring", "campaign": {"budget": greatest}}]
    bidder, split = ground.open(None, usual), False
    doings = ["trade", "budget", "pause", "stop", "restart"]
    try:
        for doing in ["trade", *rng.choice(doings, 30, p=[0.4, 0.15, 0.1, 0.15, 0.2])]:
            operator = Operator(ground, bidder)
            if doing == "trade":
                cost = sum(trade(bidder, 60).values())
                assert not (cost and paused)
                spent += cost
            elif doing == "budget":
                amount = float(np.round(rng.uniform(0.5, 4.0), 2))
                greatest = max(greatest, amount)
                operator.order("campaigns/spring/budget", {"budget": amount})
            elif doing == "pause":
                paused = not paused
                operator.order(f"campaigns/spring/{'pause' if paused else 'resume'}")
            elif doing == "stop" and split:
                operator.order("experiment/stop", {"to": str(rng.choice(["control", "new"]))})
            elif doing == "restart":
                bidder.close()
                split = bool(rng.random() < 0.5)
                bidder = ground.open(file if split else None, usual)
            assert 0 < spent <= greatest * MICRO + 3  # of a split amount each part may be rounded
    finally:
        bidder.close()
