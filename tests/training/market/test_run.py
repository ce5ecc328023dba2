"""Facts about a market of one policy: money and auctions add up, fairness is Gini's, and the command tells it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.errors import InvalidMarket, UnknownAgent
from bidpilot.training.market.config import MarketConfig
from bidpilot.training.market.play import everyone, rivals_alone
from bidpilot.training.market.run import gini, market_row, policy_of, run
from tests.envs.answering.small import SMALL, small_market


def test_what_all_pay_is_what_their_budgets_lose() -> None:
    config = small_market().config
    slots: list[int] = []
    found = everyone(config, controller_agent("mpc"), 3, 0, slots.append)
    assert slots == list(range(config.slots))
    spent = config.budget * (1.0 - found.left).sum(axis=1)
    np.testing.assert_allclose(found.paid.sum(axis=1), spent, rtol=1e-9)
    assert found.ratio is not None
    assert ((found.ratio > 0) & (found.ratio < 1 + 1e-6)).all()  # hindsight at the prices that came about bounds it
    assert found.won.shape == (3, SMALL["bidders"])


def test_rivals_alone_spend_what_their_books_say() -> None:
    config = small_market().config
    found = rivals_alone(config, 3, 0)
    assert found.ratio is None
    assert (found.left >= 0).all()
    assert (found.paid > 0).all()
    row = market_row("rivals", found, 0)
    assert row["ratio"] is None
    assert 0 <= row["money_left"] <= 1


@pytest.mark.parametrize(
    ("shares", "want"), [([1.0, 1.0, 1.0], 0.0), ([0.0, 0.0, 3.0], 2 / 3), ([0.0, 0.0], 0.0), ([1.0, 3.0], 0.25)]
)
def test_gini(shares: list[float], want: float) -> None:
    assert gini(np.array(shares)) == pytest.approx(want)


@pytest.mark.parametrize("name", ["constant", "mpc*1.1"])
def test_who_cannot_be_everybody_is_refused(name: str) -> None:
    with pytest.raises(UnknownAgent, match="everybody"):
        policy_of(name, "bidpilot")


@pytest.mark.parametrize("budget", [1e-9, 0.004, 0.08])
def test_a_budget_that_buys_nothing_is_refused_before_any_work(budget: float, monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_market().config
    monkeypatch.setattr("bidpilot.training.market.run.open_run", lambda *_, **__: pytest.fail("work was begun"))
    monkeypatch.setattr(
        "bidpilot.training.market.run.RivalMarketConfig",
        lambda budget=17.0, **_: small.model_copy(update={"budget": budget}),
    )
    with pytest.raises(InvalidMarket, match=f"budget of {budget:g} a day does not pay for one auction"):
        run(MarketConfig(budget=budget))


def test_a_market_in_which_nobody_buys_has_a_row_of_numbers() -> None:
    found = rivals_alone(small_market().config, 2, 0)
    row = market_row("idle", replace(found, paid=np.zeros_like(found.paid)), 0)
    assert (row["price"], row["price_swing"]) == (0.0, 0.0)


def test_the_command_prints_draws_and_keeps_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = MagicMock()
    monkeypatch.setattr("bidpilot.training.market.run.open_run", lambda *_, **__: nullcontext(tracked))
    monkeypatch.setattr("bidpilot.training.market.run.RivalMarketConfig", lambda **_: small_market().config)
    config = MarketConfig(all=("mpc", "plan"), days=2, json_file=tmp_path / "rows.json", figure=tmp_path / "market.svg")
    rows = run(config)
    assert [row["all"] for row in rows] == ["rivals", "mpc", "plan"]
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    assert (tmp_path / "market.svg").stat().st_size > 1000
    assert "money left" in capsys.readouterr().out
    (metrics, _), _ = tracked.log_metrics.call_args
    assert metrics["market/plan/gini"] == rows[2]["gini"]
    assert "market/rivals/ratio" not in metrics
    assert tracked.log_figure.call_args.args[1] == "figures/market.png"
