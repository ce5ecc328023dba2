"""A shadow's bids beside those made: what it would have bought is the truth, or holds it where prices are not told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidLog, NoFilesMatched, UnreadableFile
from bidpilot.training.shadow.compare import compare, played, ratio_interval
from bidpilot.training.shadow.config import ShadowConfig
from bidpilot.training.shadow.run import run
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run

PREFERENCE = (0.2, 0.3, 0.5)


def day_log(
    days: int = 6, size: int = 200, factor: float = 1.2, told: float = 1.0, first: bool = False, seed: int = 0
) -> tuple[pl.DataFrame, np.ndarray]:
    """A log of a live policy and a shadow that bids `factor` as much, of which prices are told with chance `told`;
    and the prices."""
    rng = np.random.default_rng(seed)
    n = days * size
    price, bid = rng.lognormal(0.0, 0.5, n), rng.lognormal(0.0, 0.3, n)
    won = bid >= price
    cost = np.where(won, bid if first else price, 0.0)
    shown = np.where(rng.random(n) < told, price, np.nan)
    rows = pl.DataFrame(
        {
            "campaign": "c", "date": [f"2026-01-{k // size + 1:02}" for k in range(n)],
            "slot": [k % size * 48 // size for k in range(n)], "slots": 48, "floor": 0.1, "first_price": first,
            "bid": bid, "shadow_bid": factor * bid, "result": np.where(won, "won", "lost"), "cost": cost,
            "market_price": pl.Series(shown).fill_nan(None), "exposure": rng.random(n), "interaction": rng.random(n),
            "conversion": rng.random(n) / 10,
        }
    )  # fmt: skip
    return rows, price


@given(factor=st.floats(0.2, 3.0), told=st.floats(0.0, 1.0), first=st.booleans(), seed=st.integers(0, 1000))
def test_what_it_would_have_bought_is_held_between_the_least_and_the_most(
    factor: float, told: float, first: bool, seed: int
) -> None:
    rows, price = day_log(2, 60, factor, told, first, seed)
    live, low, high = played(rows)
    shadow = rows["shadow_bid"].to_numpy()
    wins = shadow >= np.maximum(price, 0.1)
    cost = np.where(wins, shadow if first else price, 0.0)
    assert (low.wins <= wins).all()
    assert (wins <= high.wins).all()
    assert (high.cost >= cost - 1e-12).all()
    assert (low.cost <= cost + 1e-12).all()
    known = np.isfinite(rows["market_price"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    known |= live.wins.astype(bool) & (not first)  # what a win at second price costs is the price
    np.testing.assert_array_equal(low.wins[known], wins[known])
    np.testing.assert_allclose(low.cost[known], cost[known])
    np.testing.assert_array_equal(live.wins, rows["result"].to_numpy() == "won")


def test_with_all_prices_told_the_difference_is_the_truth() -> None:
    rows, price = day_log(8)
    found = compare(rows, "c", PREFERENCE, "auto")
    shadow = rows["shadow_bid"].to_numpy() >= price
    live = rows["bid"].to_numpy() >= price
    by_name = {d["measure"]: d for d in found["differences"]}
    assert by_name["wins"]["difference"] == pytest.approx(shadow.sum() / live.sum() - 1)
    assert by_name["spend"]["difference"] == pytest.approx(price[shadow].sum() / price[live].sum() - 1)
    value = rows["conversion"].to_numpy()
    assert by_name["conversion"]["least"] == by_name["conversion"]["most"] == pytest.approx(value[shadow].sum())
    assert by_name["worth"]["low"] < by_name["worth"]["difference"] < by_name["worth"]["high"]  # type: ignore[operator]
    assert (found["unclear"], found["block"], found["blocks"], found["days"]) == (0.0, "day", 8, 8)
    assert found["ratios"] == pytest.approx([1.2] * 5)
    assert found["same_bids"] == 0.0
    assert found["same_results"] == pytest.approx((shadow == live).mean())


def test_a_shadow_that_bids_alike_differs_in_nothing() -> None:
    rows, _ = day_log(factor=1.0, told=0.3)
    found = compare(rows, "c", PREFERENCE, "day")
    assert (found["same_bids"], found["same_results"], found["unclear"]) == (1.0, 1.0, 0.0)
    assert all(
        d["difference"] == pytest.approx(0.0, abs=1e-12) for d in found["differences"] if d["measure"] != "spend"
    )


def test_prices_that_are_not_told_widen_the_interval() -> None:
    clear, hidden = (compare(day_log(told=told)[0], "c", PREFERENCE, "day") for told in (1.0, 0.2))
    wide = [d["high"] - d["low"] for found in (clear, hidden) for d in found["differences"] if d["measure"] == "wins"]  # type: ignore[operator]
    assert wide[1] > 1.5 * wide[0]
    assert hidden["unclear"] > 0.02


@given(seed=st.integers(0, 500), blocks=st.integers(3, 30))
def test_the_interval_is_about_the_ratio_of_sums(seed: int, blocks: int) -> None:
    rng = np.random.default_rng(seed)
    of, more, usual = rng.integers(0, blocks, 300), rng.normal(size=300), rng.random(300) + 0.5
    of[:blocks] = np.arange(blocks)
    ratio, ends = ratio_interval(more, usual, of, 0)
    assert ratio == pytest.approx(more.sum() / usual.sum())
    assert ends is not None
    assert ends[0] < ratio < ends[1]


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    truth, covered = 0.05, 0
    rng = np.random.default_rng(7)
    for k in range(200):
        usual = rng.lognormal(0.0, 0.3, 12)
        more = usual * (truth + rng.normal(0.0, 0.05, 12))
        _, ends = ratio_interval(more, usual, np.arange(12), k)
        assert ends is not None
        covered += ends[0] <= truth <= ends[1]
    assert 0.90 <= covered / 200 <= 0.99


def test_bids_below_the_floor_are_unclear_where_the_shadow_reaches_it() -> None:
    rows, _ = day_log(1, 4)
    rows = rows.with_columns(
        result=pl.lit("below_floor"), bid=0.0, cost=0.0, market_price=pl.lit(None, pl.Float64), floor=1.0,
        shadow_bid=pl.Series([0.5, 1.0, 2.0, 0.0]),
    )  # fmt: skip
    _, low, high = played(rows)
    assert (low.wins.tolist(), high.wins.tolist()) == ([0, 0, 0, 0], [0, 1, 1, 0])


@pytest.mark.usefixtures("project")
def test_the_command_prints_draws_and_keeps_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.mkdir()
    rows, _ = day_log(3, 400, told=0.6)
    others = rows.head(30).with_columns(campaign=pl.lit("d"), shadow_bid=pl.lit(None, pl.Float64))
    unsent = rows.head(10).with_columns(result=pl.lit("unsent"))
    pl.concat([rows, others, unsent]).write_parquet(log / "decisions-1.parquet")
    figure, told = tmp_path / "figure.png", tmp_path / "rows.json"
    found = run(ShadowConfig.model_validate({"log": log, "figure": figure, "json": told}))
    assert [row["campaign"] for row in found] == ["c"]
    assert (found[0]["auctions"], found[0]["block"]) == (1200, "hour")  # three days are few
    assert json.loads(told.read_text()) == found
    assert figure.stat().st_size > 1000
    stored = latest_finished_run("shadow", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "shadow.json").read_text()) == found
    shown = capsys.readouterr().out
    for text in (
        "ratio 50%",
        "too narrow",
        "no price is told",
        "its money have ended sooner",
        "an experiment shows it",
    ):
        assert text in shown
    with pytest.raises(InvalidLog, match="no row of campaign d"):
        run(ShadowConfig(log=log, campaign="d"))


def test_what_has_no_shadow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched):
        run(ShadowConfig(log=tmp_path))
    rows: Any = day_log(1, 4)[0]
    rows.with_columns(shadow_bid=pl.lit(None, pl.Float64)).write_parquet(tmp_path / "decisions-1.parquet")
    with pytest.raises(InvalidLog, match="--shadow BUNDLE"):
        run(ShadowConfig(log=tmp_path))
    (tmp_path / "decisions-2.parquet").write_text("nothing")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        run(ShadowConfig(log=tmp_path))


def test_a_policy_that_buys_nothing_has_no_relative_difference() -> None:
    rows, _ = day_log(1, 40)
    rows = rows.with_columns(result=pl.lit("lost"), cost=0.0)
    found = compare(rows, "c", PREFERENCE, "auto")
    assert {d["difference"] for d in found["differences"]} == {None}
