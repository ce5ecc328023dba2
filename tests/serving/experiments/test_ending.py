"""An experiment begins, is stopped and goes away without a millionth being spent twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO, AccountState
from bidpilot.serving.server import applications
from tests.serving.doors import ask
from tests.serving.experiments.conftest import BUDGET, Ground, experiment_file, trade
from tests.serving.served import request

WHOLE = int(BUDGET * MICRO)
ARMS = ("spring.control", "spring.new")


def stopped(bidder: Bidder, to: str) -> list[Any]:
    given: list[Any] = []
    assert bidder.ending is not None
    bidder.ending.stop(to, "anna", lambda orders: given.append(orders))
    assert given[0] is not None
    return list(given[0])


def accounts(bidder: Bidder, names: tuple[str, ...] = ARMS) -> dict[str, AccountState]:
    """The accounts of today by the ledger."""
    store = bidder.desk.keeper.store
    states = {name: store.state(f"{name}@{bidder.moment.date}") for name in names}
    return {name: state for name, state in states.items() if state is not None}


def budgets(bidder: Bidder) -> dict[str, int]:
    return {name: state.budget for name, state in accounts(bidder).items()}


@pytest.mark.parametrize("to", ["control", "new"])
def test_all_users_and_what_is_left_go_to_one_arm(to: str, ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        spent, goes_on = trade(bidder, 60), f"spring.{to}"
        held = trade(bidder, 10, billed=False)
        (other,) = set(ARMS) - {goes_on}
        assert all(order.version is not None for order in stopped(bidder, to))
        found = accounts(bidder)
        assert found[other].settled == spent[other]
        assert found[other].held == held[other]  # of bids that may still be billed
        assert found[other].budget == spent[other] + held[other]
        assert found[goes_on].budget == WHOLE - found[other].budget
        assert set(trade(bidder, 50)) == {goes_on}
        ground.slot(bidder, 0, day=1)
        assert set(trade(bidder, 20)) == {goes_on}
        assert accounts(bidder)[goes_on].budget == WHOLE
        assert accounts(bidder)[other].budget == 0
    rows = pl.read_parquet(ground.folder / "log" / "decisions-*.parquet").sort("time")
    assert rows.filter(pl.col("date") == rows["date"].max())["experiment"].null_count() == 20


def test_it_stays_stopped_over_a_restart(ground: Ground) -> None:
    file = experiment_file(ground.folder)
    with ground.open(file) as bidder:
        trade(bidder, 40)
        stopped(bidder, "new")
        before = budgets(bidder)
    with ground.open(file) as bidder:
        assert bidder.experiment is not None
        assert bidder.experiment.ended_to == "new"
        assert budgets(bidder) == before
        assert set(trade(bidder, 30)) == {"spring.new"}
    ground.clock.move(ground.clock() + 86_400.0)
    with ground.open(file) as bidder:
        assert budgets(bidder)["spring.new"] == WHOLE


def test_stopped_again_for_the_other_arm_the_money_follows(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        trade(bidder, 40)
        stopped(bidder, "new")
        trade(bidder, 40)
        stopped(bidder, "control")
        assert sum(budgets(bidder).values()) == pytest.approx(WHOLE, abs=2)
        assert set(trade(bidder, 30)) == {"spring.control"}


def test_what_was_spent_before_it_began_is_in_no_arms_budget(ground: Ground) -> None:
    with ground.open(None) as bidder:
        spent = trade(bidder, 80)["spring"]
    with ground.open(experiment_file(ground.folder)) as bidder:
        assert budgets(bidder) == dict.fromkeys(ARMS, pytest.approx((WHOLE - spent) / 2, abs=1))
        ground.slot(bidder, 0, day=1)
        assert budgets(bidder) == dict.fromkeys(ARMS, WHOLE // 2)


def test_one_that_began_and_ended_on_one_day_holds_over_a_restart_on_the_next(ground: Ground) -> None:
    with ground.open(None) as bidder:
        trade(bidder, 40)
    file = experiment_file(ground.folder)
    with ground.open(file) as bidder:
        trade(bidder, 40)
        stopped(bidder, "new")
    ground.clock.move(ground.clock() + 86_400.0)
    for _ in range(2):
        with ground.open(file) as bidder:
            assert budgets(bidder) == {"spring.control": 0, "spring.new": WHOLE}
            assert set(trade(bidder, 20)) == {"spring.new"}


def test_what_arms_have_spent_is_not_spent_again_when_it_is_served_no_more(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        spent = sum(trade(bidder, 80).values())
    with ground.open(None) as bidder:
        assert bidder.days["spring"].wallet.state.budget == pytest.approx(WHOLE - spent, abs=1)  # type: ignore[union-attr]
        ground.slot(bidder, 0, day=1)
        assert bidder.days["spring"].wallet.state.budget == WHOLE  # type: ignore[union-attr]


def test_the_next_experiment_does_not_spend_again_what_the_one_before_has(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        spent = sum(trade(bidder, 80).values())
    arms = [{"name": "a", "share": 0.25}, {"name": "b", "share": 0.75}]
    with ground.open(experiment_file(ground.folder, name="y", arms=arms, control="a")) as bidder:
        found = accounts(bidder, ("spring.a", "spring.b"))
        assert found["spring.a"].budget == pytest.approx((WHOLE - spent) * 0.25, abs=1)
        assert found["spring.b"].budget == pytest.approx((WHOLE - spent) * 0.75, abs=1)


def test_an_arm_that_there_is_not_is_refused(ground: Ground) -> None:
    with ground.open(experiment_file(ground.folder)) as bidder:
        assert bidder.ending is not None
        with pytest.raises(InvalidExperiment, match="control, new"):
            bidder.ending.stop("blue", "anna", lambda _: None)
        assert bidder.experiment is not None
        assert bidder.experiment.ended_to is None
        bidder.remove("spring.new")
        with pytest.raises(InvalidExperiment, match=r"spring\.new is not served any more"):
            bidder.ending.stop("control", "anna", lambda _: None)


def test_operators_see_arms_and_stop_it_with_a_word_in_the_audit_log(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "a-token-that-may-all")
    token = "a-token-that-may-all"
    with ground.open(experiment_file(ground.folder)) as bidder:
        _, admin = applications(bidder, ServeConfig(bundle=ground.bundle, state=ground.state), "http://here")
        found = ask(admin, "/admin/experiment", method="GET", token=token)
        assert found.status == 200
        assert found.body["arms"]["new"]["campaigns"]["spring.new"]["budget"] == BUDGET / 2
        parts = ask(admin, "/admin/explain", request(user={"id": "u"}), token=token).body["1"]
        assert len(parts) == 1  # of the user's arm alone
        for path, body, status in (
            ("campaigns/spring.new/budget", {"budget": 5}, 400),
            ("campaigns/spring/budget", {"budget": 80}, 200),
            ("campaigns/spring.new/pause", {}, 200),
            ("campaigns/spring/resume", {}, 200),
            ("campaigns/summer/pause", {}, 404),
            ("experiment/stop", {"to": "blue"}, 400),
            ("experiment/stop", {}, 400),
            ("experiment/stop", {"to": "new"}, 200),
            ("campaigns/spring.new/budget", {"budget": 60}, 200),
        ):
            answer = ask(admin, f"/admin/{path}", body, token=token)
            assert answer.status == status, (path, answer)
        assert ask(admin, "/admin/campaigns/spring.new", {}, "PUT", token=token).status == 200
        assert ask(admin, "/admin/campaigns/spring", {}, "PUT", token=token).status == 400
        assert ask(admin, "/admin/experiment", method="GET", token=token).body["ended_to"] == "new"
        assert budgets(bidder)["spring.new"] == 60 * MICRO
        assert 'bidpilot_experiment_share{arm="new",experiment="x"} 1.0' in admin.metrics.text().decode()
        admin.auditor.log.close()
    log = (ground.state / "audit.jsonl").read_text().splitlines()
    (line,) = [entry for entry in log if "experiment/stop" in entry and '"ended_to":"new"' in entry]
    assert '"spring.new.budget":80.0' in line
    assert '"spring.control.paused":true' in line


def test_an_administrator_of_an_ordinary_server_is_told_that_there_is_none(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "t")
    with ground.open(None) as bidder:
        _, admin = applications(bidder, ServeConfig(bundle=ground.bundle, state=ground.state), "http://here")
        assert ask(admin, "/admin/experiment", method="GET", token="t").status == 400
        assert ask(admin, "/admin/experiment/stop", {"to": "new"}, token="t").status == 400


@pytest.mark.parametrize("since", [None, 12.0])
def test_without_the_ledger_no_money_moves_and_it_can_be_asked_for_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, since: float | None
) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "t")
    with ground.open(experiment_file(ground.folder)) as bidder:
        trade(bidder, 20)
        _, admin = applications(bidder, ServeConfig(bundle=ground.bundle, state=ground.state), "http://here")
        with monkeypatch.context() as broken:
            broken.setattr(type(bidder.desk.keeper.store), "states", lambda *_: 1 / 0)
            answer = ask(admin, "/admin/experiment/stop", {"to": "new"}, token="t")
            assert answer.status == 503
            assert "Send this again" in answer.body["error"]
        assert budgets(bidder)["spring.new"] == WHOLE // 2
        if since is not None:  # a budget that is ordered in between has the last word
            assert ask(admin, "/admin/campaigns/spring/budget", {"budget": since}, token="t").status == 200
        assert ask(admin, "/admin/experiment/stop", {"to": "new"}, token="t").status == 200
        assert sum(budgets(bidder).values()) == pytest.approx(WHOLE if since is None else since * MICRO, abs=2)


def test_a_stop_that_another_bidder_was_told_holds_here(ground: Ground, tmp_path: Path) -> None:
    file = experiment_file(ground.folder)
    with ground.open(file) as first:
        stopped(first, "new")
        order = first.control.orders.get("experiment/x")
    assert order is not None
    with ground.open(file, state=tmp_path / "other") as second:
        second.control.orders._known["experiment/x"] = order
        second.control._obey({"experiment/x"})
        assert set(trade(second, 20)) == {"spring.new"}


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("written", range(0, 12, 2))
def test_a_stop_that_a_crash_cuts_off_pauses_and_resumes_nothing_and_is_carried_out_at_the_start(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, written: int, paused: bool
) -> None:
    file = experiment_file(ground.folder)
    with ground.open(file) as bidder:
        trade(bidder, 40)
        for name in ARMS if paused else ():
            bidder.put(bidder.served[name].model_copy(update={"paused": True}))
        stopped(bidder, "new")
        store, left = bidder.desk.keeper.store, iter(range(written))
        keep = store.order
        monkeypatch.setattr(store, "order", lambda name, text: (next(left), keep(name, text))[1])
        assert bidder.ending is not None
        bidder.ending.stop("control", "anna", lambda _: None)
        assert next(left, None) is None
    with ground.open(file) as bidder:
        assert bidder.experiment is not None
        to = f"spring.{bidder.experiment.ended_to}"
        assert sum(budgets(bidder).values()) == pytest.approx(WHOLE, abs=2)
        assert set(trade(bidder, 20)) == (set() if paused else {to})
        stopped(bidder, "control")
        assert sum(budgets(bidder).values()) == pytest.approx(WHOLE, abs=2)
        assert set(trade(bidder, 20)) == (set() if paused else {"spring.control"})
