"""Arms bid for their own users, from their own money, by their own bundles; the log says which row is whose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import read_campaigns
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.experiments.admin import parts
from bidpilot.serving.experiments.arms import split
from bidpilot.serving.experiments.file import read_experiment
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.planned import Planned, PlannedBudget
from bidpilot.serving.server import applications
from bidpilot.serving.swap import Swap
from tests.serving.doors import ask
from tests.serving.experiments.conftest import BUDGET, VALUE, Ground, experiment_file, trade
from tests.serving.served import request

ARMS = ("spring.control", "spring.new")


@pytest.fixture
def bidder(ground: Ground, plan_bundle: Path) -> Any:
    with ground.open(experiment_file(ground.folder, str(plan_bundle))) as made:
        yield made


def test_each_arm_has_its_share_of_money_and_its_own_bundle(bidder: Bidder, plan_bundle: Path) -> None:
    assert set(bidder.days) == set(ARMS)
    for name in ARMS:
        state = bidder.days[name].wallet.state
        assert state is not None
        assert state.budget == BUDGET / 2 * MICRO
    assert bidder.days["spring.new"].desk.origin.digest == load_bundle(plan_bundle).digest
    assert bidder.days["spring.control"].desk.origin.digest == bidder.bundle.digest


def test_an_arm_plans_as_the_whole_campaign_would(ground: Ground, bidder: Bidder) -> None:
    with ground.open(None, [{"name": "spring"}], state=ground.folder / "whole") as whole:
        for name in ARMS:
            assert bidder.days[name].alpha == pytest.approx(whole.days["spring"].alpha, rel=1e-6)
        expected = bidder.days["spring.new"].desk.forecast.auctions
        np.testing.assert_allclose(expected, whole.desk.forecast.auctions / 2)


def test_to_the_other_arm_an_auction_is_none(bidder: Bidder) -> None:
    assert bidder.experiment is not None
    trials = {arm: bidder.experiment._trial(arm, "x") for arm in ("control", "new")}
    for arm, trial in trials.items():
        before = {name: day.collector.auctions for name, day in bidder.days.items()}
        answer = bidder.bid(Opportunity(VALUE, 0, trial=trial))
        assert isinstance(answer, Bid)
        assert answer.campaign.name == f"spring.{arm}"
        seen = {name: day.collector.auctions - before[name] for name, day in bidder.days.items()}
        assert seen == {name: int(name == f"spring.{arm}") for name in ARMS}
        bidder.loss(answer.ticket, 0.5)  # its price is shown to the arm that saw the auction
        assert [bidder.days[n].collector.seen().priced for n in ARMS].count(1) == 1 + (arm == "new")


def test_an_arm_spends_no_others_money(ground: Ground) -> None:
    campaigns = [{"name": "spring", "campaign": {"budget": 0.5}}]
    guardrails = GuardrailConfig(patience=5.0, slot_share=1.0)
    with ground.open(experiment_file(ground.folder), campaigns, guardrails=guardrails) as bidder:
        assert bidder.experiment is not None
        own = next(t for t in bidder.experiment._trials if t.arm == "control")
        spent, whole = 0, int(0.25 * MICRO)
        for _ in range(2000):
            answer = bidder.bid(Opportunity(VALUE, 0, trial=own))
            if isinstance(answer, NoBid):
                break
            bidder.bill(answer.ticket, answer.amount / MICRO, None)
            spent += answer.amount
        assert 0.98 * whole < spent <= whole
        other = bidder.days["spring.new"].wallet.state
        assert other is not None
        assert (other.budget, other.settled) == (whole, 0)


def test_rows_of_the_log_say_which_arm_they_are_of(ground: Ground, bidder: Bidder) -> None:
    trade(bidder, 200)
    ground.slot(bidder, 1)
    bidder.close()
    rows = pl.read_parquet(ground.folder / "log" / "decisions-*.parquet")
    assert set(rows["experiment"]) == {"x"}
    assert set(rows["arm"]) == {"control", "new"}
    assert (rows["campaign"] == "spring." + rows["arm"]).all()
    assert len(rows) == 200  # one row an auction, of the arm that saw it
    told = (ground.folder / "log" / "experiment-x.json").read_text()
    assert '"control": "control"' in told
    assert '"agent": "plan"' in told


def test_without_an_experiment_rows_have_none(ground: Ground) -> None:
    with ground.open(None) as bidder:
        trade(bidder, 5)
    rows = pl.read_parquet(ground.folder / "log" / "decisions-*.parquet")
    assert rows["experiment"].null_count() == rows["arm"].null_count() == len(rows) == 5


def test_campaigns_outside_of_the_experiment_see_every_request(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder), [{"name": "spring"}, {"name": "other"}]) as bidder:
        trade(bidder, 100)
        seen = {name: day.collector.auctions for name, day in bidder.days.items()}
        assert seen["other"] == 100 == seen["spring.control"] + seen["spring.new"]
        assert min(seen.values()) > 20
        bidder.close()
    rows = pl.read_parquet(ground.folder / "log" / "decisions-*.parquet")
    assert rows.filter(pl.col("campaign") == "other")["experiment"].null_count() > 0


def test_another_bundle_does_not_come_into_arms(ground: Ground, bidder: Bidder, plan_bundle: Path) -> None:
    digests = {name: day.desk.origin.digest for name, day in bidder.days.items()}
    config = ServeConfig(bundle=ground.bundle, state=ground.state)
    swap = Swap(bidder, config)
    assert swap.now(plan_bundle)["prepared"]
    ground.slot(bidder, 1)
    ground.slot(bidder, 0, day=1)  # nor when another day begins
    assert {name: day.desk.origin.digest for name, day in bidder.days.items()} == digests


def test_a_source_found_out_in_one_arm_is_known_to_the_other_the_day_after(ground: Ground, bidder: Bidder) -> None:
    book = bidder.desk.book
    ground.slot(bidder, 1)
    ground.slot(bidder, 0, day=1)
    for day in bidder.days.values():
        assert day.desk.book is not book
        assert day.desk.book.memory is book.memory  # type: ignore[union-attr]


def test_users_come_to_their_arm_over_http(bidder: Bidder, ground: Ground) -> None:
    config = ServeConfig(bundle=ground.bundle, state=ground.state)
    exchange, admin = applications(bidder, config, "http://here")
    first = [ask(exchange, body=request(user={"id": f"u{k}"})) for k in range(40)]
    again = [ask(exchange, body=request(user={"id": f"u{k}"})) for k in range(40)]
    arms = [a.body["seatbid"][0]["bid"][0]["cid"] for a in first]
    assert arms == [a.body["seatbid"][0]["bid"][0]["cid"] for a in again]
    assert set(arms) == set(ARMS)
    token = admin.tokens  # of the administrator
    assert token is not None
    text = admin.metrics.text().decode()
    of_users = [line for line in text.splitlines() if line.startswith("bidpilot_experiment_requests_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in of_users if 'by="user"' in line) == 80
    assert 'bidpilot_experiment_share{arm="new",experiment="x"} 0.5' in text
    ask(exchange, body=request(test=1))
    assert sum(bidder.experiment.requests.values()) == 80  # type: ignore[union-attr]


def test_planned_budgets_are_split_as_well(ground: Ground) -> None:
    (served,) = read_campaigns(ServeConfig(bundle=ground.bundle, budget=10.0), load_bundle(ground.bundle))
    planned = Planned(instead_of=10.0, days=(PlannedBudget(since="2030-01-01", budget=30.0),))
    arms = split(
        [served.model_copy(update={"planned": planned})],
        read_experiment(experiment_file(ground.folder, campaigns=["default"])),
    )
    day = planned.days[0].since
    assert [arm.budget_on(day) for arm in arms] == [15.0, 15.0]


def test_an_arm_alone_cannot_be_changed(bidder: Bidder) -> None:
    with pytest.raises(InvalidExperiment, match="budget of spring"):
        parts(bidder.experiment, "spring.new", "budget")
