"""What operators order holds as an experiment begins, is stopped and goes away, and no money is spent twice for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO, MOST
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

    def order(self, path: str, body: Any = None, status: int = 200, method: str = "POST") -> None:
        answer = ask(self._app, f"/admin/{path}", {} if body is None else body, method, token="t")
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


def test_an_order_is_given_to_all_arms_and_to_the_campaign_or_to_none(ground: Ground) -> None:
    """Half of an amount could be kept, and the whole could not."""
    with ground.open(experiment_file(ground.folder)) as bidder:
        most = MOST / MICRO
        Operator(ground, bidder).order("campaigns/spring/budget", {"budget": 1.5 * most}, 400)
        assert budgets(bidder) == dict.fromkeys(ARMS, BUDGET * MICRO / 2)
        assert bidder.control.split["spring"].campaign.budget == BUDGET


def test_settings_of_the_arm_that_goes_on_are_kept_though_the_body_names_it(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        operator = Operator(ground, bidder)
        operator.order("experiment/stop", {"to": "new"})
        operator.order("campaigns/spring.new", {"name": "spring.new", "minors": True}, method="PUT")
        operator.order("campaigns/spring.new", {"name": "spring", "minors": False}, 400, "PUT")
    with ground.open(None) as bidder:
        assert bidder.served["spring"].minors


def test_a_campaign_whose_last_arm_is_deleted_does_not_come_back_with_the_file(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        operator = Operator(ground, bidder)
        operator.order("experiment/stop", {"to": "new"})
        operator.order("campaigns/spring.new", method="DELETE")
    for file in (None, experiment_file(ground.folder)):
        with ground.open(file) as bidder:
            assert trade(bidder, 20) == {}


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


def experiments(folder: Path) -> list[Path]:
    """Three of one campaign: two have arms of the same names, two have other shares."""
    shares, found = {"control": 0.2, "new": 0.8}, []
    for name, arms in (("x", {"control": 0.5, "new": 0.5}), ("y", shares), ("z", {"control": 0.3, "blue": 0.7})):
        (folder / name).mkdir()
        entries = [{"name": arm, "share": share} for arm, share in arms.items()]
        found.append(experiment_file(folder / name, name=name, arms=entries))
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_ordered_a_day_costs_no_more_than_the_greatest_budget_of_it(ground: Ground, seed: int) -> None:
    """Spending, experiments that begin, stop and go, budgets, pauses and restarts, in any order."""
    rng, files = np.random.default_rng(seed), experiments(ground.folder)
    greatest, paused, spent = 2.0, False, 0
    usual, free = [{"name": "spring", "campaign": {"budget": greatest}}], GuardrailConfig(patience=5.0, slot_share=1.0)
    bidder = ground.open(None, usual, guardrails=free)
    doings = ["trade", "budget", "pause", "arm", "stop", "restart"]
    try:
        for doing in ["trade", *rng.choice(doings, 30, p=[0.3, 0.05, 0.05, 0.25, 0.05, 0.3])]:
            operator, experiment = Operator(ground, bidder), bidder.experiment
            if doing == "trade":
                cost = sum(trade(bidder, int(rng.choice([60, 600, 2000]))).values())
                assert not (cost and paused)
                spent += cost
            elif doing == "budget":
                amount = float(np.round(rng.uniform(0.5, 4.0), 2))
                greatest = max(greatest, amount)
                operator.order("campaigns/spring/budget", {"budget": amount})
            elif doing == "pause":
                paused = not paused
                operator.order(f"campaigns/spring/{'pause' if paused else 'resume'}")
            elif doing == "arm" and experiment is not None and experiment.ended_to is None and not paused:
                name = str(rng.choice(sorted(experiment.campaigns)))
                operator.order(f"campaigns/{name}/{rng.choice(['pause', 'resume'])}")
            elif doing == "stop" and experiment is not None:
                operator.order("experiment/stop", {"to": str(rng.choice(experiment.arms))})
            elif doing == "restart":
                bidder.close()
                file = files[int(rng.integers(len(files)))] if rng.random() < 0.6 else None
                bidder = ground.open(file, usual, guardrails=free)
            assert 0 < spent <= greatest * MICRO + 3  # of a split amount each part may be rounded
    finally:
        bidder.close()


def test_an_arm_that_has_spent_its_share_leaves_less_to_the_others_where_the_campaign_has_spent(ground: Ground) -> None:
    """Of arms that spent unlike, after a time without the experiment, none gets what another has spent already."""
    file, usual = experiment_file(ground.folder), [{"name": "spring", "campaign": {"budget": 4.0}}]
    free = {"guardrails": GuardrailConfig(patience=5.0, slot_share=1.0)}
    with ground.open(file, usual, **free) as bidder:
        Operator(ground, bidder).order("campaigns/spring.new/pause")
        spent = trade(bidder, 3000)["spring.control"]
        assert spent > 1.9 * MICRO
        Operator(ground, bidder).order("campaigns/spring.new/resume")
    with ground.open(None, usual, **free) as bidder:
        while spent < 3 * MICRO:
            spent += trade(bidder, 5)["spring"]
    with ground.open(file, usual, **free) as bidder:
        spent += sum(trade(bidder, 3000).values())
    assert 3.5 * MICRO < spent <= 4 * MICRO + 3


def test_the_next_experiment_with_arms_of_the_same_names_begins_anew(ground: Ground) -> None:
    """Neither is an arm paused or without money as the stop of the one before left it, nor is its own money taken."""
    with ground.open(experiment_file(ground.folder)) as bidder:
        operator = Operator(ground, bidder)
        operator.order("experiment/stop", {"to": "new"})
    file = experiment_file(ground.folder, name="y")
    for _ in range(2):
        ground.clock.move(ground.clock() + 86_400.0)
        with ground.open(file) as bidder:
            assert budgets(bidder) == dict.fromkeys(ARMS, BUDGET / 2 * MICRO)
            assert set(trade(bidder, 40)) == set(ARMS)
        with ground.open(file) as bidder:
            assert budgets(bidder) == dict.fromkeys(ARMS, BUDGET / 2 * MICRO)
            spent = sum(day.wallet.state.settled for day in bidder.days.values() if day.wallet.state)
    with ground.open(None) as bidder:
        assert budgets(bidder) == {"spring": pytest.approx(BUDGET * MICRO - spent, abs=2)}  # not twice


def test_arms_of_the_same_names_and_other_shares_have_no_more_than_the_budget_on_the_day_of_both(
    ground: Ground,
) -> None:
    usual, free = [{"name": "spring", "campaign": {"budget": 4.0}}], GuardrailConfig(patience=5.0, slot_share=1.0)
    with ground.open(experiment_file(ground.folder), usual, guardrails=free) as bidder:
        spent = sum(trade(bidder, 3000).values())
        assert spent > 3.5 * MICRO
    arms = [{"name": "control", "share": 0.1}, {"name": "new", "share": 0.9}]
    with ground.open(experiment_file(ground.folder, name="y", arms=arms), usual, guardrails=free) as bidder:
        spent += sum(trade(bidder, 3000).values())
    assert spent <= 4 * MICRO + 3
