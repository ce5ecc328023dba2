"""`import bidpilot` is light, and what it offers works as the commands do."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bidpilot
from bidpilot.agents.acting.agent import ControllerAgent, controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.errors import (
    EmptyLog,
    InfeasibleCampaign,
    InvalidConfig,
    InvalidMapping,
    InvalidMarket,
    RunNotFound,
    UnknownProfile,
    UnknownSuite,
)

ROOT = Path(__file__).parents[1]
_MAPPING = {
    "slots": 4,
    "time": {"column": "at"},
    "price": {"column": "paid"},
    "conversion": {"sum": {"pcvr": 1.0}},
}


def _in_a_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _frame() -> pl.DataFrame:
    at = [f"2026-03-{day:02}T{hour:02}:30:00" for day in (1, 2) for hour in range(24)]
    return pl.DataFrame({"at": at, "paid": [0.1] * 48, "pcvr": [0.01] * 48, "who": ["somebody"] * 48})


def test_the_import_loads_numpy_at_most_and_every_public_name_exists() -> None:
    heavy = ("gymnasium", "mlflow", "torch", "polars", "numba", "cvxpy", "pydantic", "numpy")
    code = f"import sys, bidpilot; print(*[m for m in {heavy} if m in sys.modules])"
    assert _in_a_process(code) == ""
    assert set(bidpilot.__all__) <= set(dir(bidpilot))
    assert all(getattr(bidpilot, name) is not None for name in bidpilot.__all__)


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match="load_policy"):
        _ = bidpilot.load_polisy


@pytest.mark.parametrize("order", ["import bidpilot, gymnasium", "import gymnasium, bidpilot"])
def test_environments_are_registered_whichever_is_imported_first(order: str) -> None:
    code = (
        f"{order}; env = gymnasium.make('bidpilot/Bidding-v0', market='steady', campaign='conversion-first'); "
        "print(env.unwrapped.vector.campaign.preference, gymnasium.__spec__.loader.__class__.__name__)"
    )
    assert _in_a_process(code) == "(0.1, 0.2, 0.7) SourceFileLoader"


@pytest.mark.parametrize(
    "before",
    [
        "importlib.util.find_spec('gymnasium')",
        # a first import that fails half way
        "sys.modules['gymnasium.core'] = None\n"
        "try: import gymnasium\n"
        "except ImportError: del sys.modules['gymnasium.core']",
    ],
)
def test_environments_are_registered_after_a_look_or_a_failed_import(before: str) -> None:
    code = (
        f"import importlib.util, sys, bidpilot\n{before}\nassert 'gymnasium' not in sys.modules\nimport gymnasium\n"
        "print('bidpilot/Bidding-v0' in gymnasium.registry, gymnasium.__spec__.loader.__class__.__name__, "
        "*[f for f in sys.meta_path if 'bidpilot' in type(f).__module__])"
    )
    assert _in_a_process(code) == "True SourceFileLoader"


def test_without_the_extra_a_name_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['polars'] = sys.modules['cvxpy'] = sys.modules['numba'] = None\n"
        "import bidpilot\n"
        "try: bidpilot.evaluate\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install 'bidpilot[train]'" in _in_a_process(code)


def test_markets_and_campaigns_that_nobody_has_are_named_errors() -> None:
    import gymnasium

    with pytest.raises(InvalidMarket, match="daily"):
        gymnasium.make("bidpilot/Bidding-v0", market="dayly")
    with pytest.raises(UnknownProfile, match="conversion-first"):
        gymnasium.make("bidpilot/Bidding-v0", campaign="conversions-first")


def test_own_agents_play_beside_named_ones_on_the_same_days() -> None:
    twin = ControllerAgent(MPC)
    twin.name = "twin"
    found = bidpilot.evaluate(["adaptive", twin], suites=["steady"], days=4)
    assert set(found.ratios["steady"]) == {"mpc", "mpc_informed", "adaptive", "twin"}
    np.testing.assert_array_equal(found.ratios["steady"]["twin"], found.ratios["steady"]["mpc"])
    frame = found.to_frame()
    assert frame.height == 4
    assert frame["days"].to_list() == [4] * 4
    pair = found.pairs_frame().filter((pl.col("agent") == "twin") & (pl.col("against") == "mpc"))
    assert pair["diff"].to_list() == [0.0]


def test_what_cannot_be_evaluated_is_refused_before_it_is_played() -> None:
    with pytest.raises(UnknownSuite):
        bidpilot.evaluate(suites=["dayly"])
    with pytest.raises(InvalidConfig, match="more than one agent is called 'mpc'"):
        bidpilot.evaluate([controller_agent("mpc")])
    with pytest.raises(InvalidConfig, match="days = 0"):
        bidpilot.evaluate(days=0)
    with pytest.raises(InvalidConfig, match="for a log"):
        bidpilot.evaluate(forecast="abc")


def test_a_plan_is_that_of_the_campaign_object_or_its_file(tmp_path: Path) -> None:
    campaign = bidpilot.Campaign(budget=40.0, conversion_value=12.0, preference=(0.2, 0.3, 0.5))
    file = tmp_path / "campaign.yaml"
    file.write_text("market: steady\ncampaign: {budget: 40, conversion_value: 12, preference: [0.2, 0.3, 0.5]}\n")
    one, other = bidpilot.solve(campaign, market="steady"), bidpilot.solve(file)
    np.testing.assert_array_equal(one.spend, other.spend)
    assert 0 < one.spend.sum() <= 40 + 1e-6
    with pytest.raises(InfeasibleCampaign):
        bidpilot.solve(ROOT / "examples" / "infeasible.yaml")
    with pytest.raises(InvalidConfig, match="portfolio"):
        bidpilot.solve(ROOT / "examples" / "portfolio.yaml")


def test_a_policy_that_is_nowhere_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunNotFound):
        bidpilot.load_policy("no-such-run")
    with pytest.raises(InvalidConfig, match="no bundle"):
        bidpilot.load_policy(tmp_path)


def test_a_wrong_option_of_training_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidConfig, match="total_steps"):
        bidpilot.train(total_step=0)


def test_a_frame_becomes_days_and_their_auctions() -> None:
    log = bidpilot.AuctionLog.from_frame(_frame(), _MAPPING, name="mine", budget=2.0)
    assert (log.name, log.n_days, log.slots, log.n) == ("mine", 2, 4, 48)
    assert [day.budget for day in log.days] == [2.0, 2.0]
    np.testing.assert_allclose(log.market_price, 0.1)
    again = bidpilot.AuctionLog.from_frame(_frame().to_arrow(), _MAPPING, budget=2.0)
    assert again.digest == log.digest


def test_rows_that_cannot_be_used_are_told_by_a_warning() -> None:
    frame = _frame().with_columns(paid=pl.when(pl.col("at").str.starts_with("2026-03-01T00")).then(-1.0).otherwise(0.1))
    with pytest.warns(UserWarning, match="1 of 48 rows are left out: 1 because the market price"):
        log = bidpilot.AuctionLog.from_frame(frame, _MAPPING, budget=2.0)
    assert log.n == 47


def test_a_frame_that_does_not_fit_is_a_named_error() -> None:
    with pytest.raises(InvalidMapping, match="no KPI"):
        bidpilot.AuctionLog.from_frame(_frame(), {"time": {"column": "at"}})
    with pytest.raises(InvalidMapping, match="no option 'budgets'"):
        bidpilot.AuctionLog.from_frame(_frame(), _MAPPING, budgets=2.0)
    with pytest.raises(InvalidMapping, match="no data frame"):
        bidpilot.AuctionLog.from_frame([1, 2], _MAPPING, budget=2.0)
    with warnings.catch_warnings(), pytest.raises(EmptyLog):
        bidpilot.AuctionLog.from_frame(_frame().with_columns(paid=pl.lit(-1.0)), _MAPPING, budget=2.0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("lost", "nope"), ("terms", "nope"), ("budget", "x"), ("budget", -1.0), ("budget_share", 2.0), ("seed", 0.5)],
)
def test_an_option_of_a_frame_that_is_out_of_range_is_named(option: str, value: Any) -> None:
    with pytest.raises(InvalidMapping, match=f"^{option} = {value!r}: "):
        bidpilot.AuctionLog.from_frame(_frame(), _MAPPING, **{option: value})


def test_a_pandas_frame_with_a_column_of_several_types_is_a_named_error() -> None:
    pandas = pytest.importorskip("pandas")
    mixed = pandas.DataFrame({"at": ["2026-03-01T00:30:00", 5], "paid": [0.1, 0.1], "pcvr": [0.01, 0.01]})
    with pytest.raises(InvalidMapping, match="columns each hold values of one type"):
        bidpilot.AuctionLog.from_frame(mixed, _MAPPING, budget=2.0)
    with pytest.raises(InvalidMapping, match="Series is no data frame"):
        bidpilot.AuctionLog.from_frame(mixed["paid"], _MAPPING, budget=2.0)
