"""A served log is read as it was written, and refused where it cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import NoFilesMatched, UnreadableFile
from bidpilot.training.off_policy.served import NotEstimable, ServedLog, read_served
from tests.training.off_policy.conftest import FACTORS, SHARES, results, write_decisions


@pytest.mark.parametrize("way", ["explored", "plain"])
def test_a_log_is_read_as_it_was_served(way: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    served: ServedLog = request.getfixturevalue(way)
    found = read_served(write_decisions(served, tmp_path))
    for name in ("offsets", "segment", "source", "won", "budget", "worth", "day", "slot"):
        assert getattr(found, name).tolist() == getattr(served, name).tolist()
    np.testing.assert_allclose(found.value, served.value, rtol=1e-12)
    np.testing.assert_allclose(found.tries.levels, served.tries.levels, rtol=1e-9)
    assert found.tries.shares.tolist() == served.tries.shares.tolist()
    assert found.tries.drawn.tolist() == served.tries.drawn.tolist()
    np.testing.assert_array_equal(found.price, served.price)
    spend, kpi = found.totals
    assert spend.sum() == pytest.approx(served.cost.sum())
    assert kpi[:, 0].sum() == pytest.approx(served.value[served.won, 0].sum())


def test_of_a_win_the_price_is_its_cost_where_nothing_else_tells(plain: ServedLog, tmp_path: Path) -> None:
    folder = write_decisions(plain, tmp_path, market_price=np.full(len(plain.won), np.nan))
    np.testing.assert_allclose(read_served(folder).price[plain.won], plain.cost[plain.won])


def test_an_arm_of_an_experiment_has_its_part_of_the_traffic(plain: ServedLog, tmp_path: Path) -> None:
    """Its candidate plans for that part, and not for all of it."""
    folder = write_decisions(plain, tmp_path)
    assert read_served(folder).share == 1.0
    arms = [
        {"name": name, "share": share, "campaigns": [campaign], "run": "", "agent": "mpc", "digest": ""}
        for name, share, campaign in (("control", 0.7, "other"), ("new", 0.3, "spring"))
    ]
    (folder / "experiment-x.json").write_text(json.dumps({"name": "x", "control": "control", "arms": arms}))
    assert read_served(folder).share == 0.3


def test_what_was_not_bid_on_is_left_out(plain: ServedLog, tmp_path: Path) -> None:
    result = results(plain)
    result[:10] = "refused_source"
    result[10:20] = "campaign_stopped"
    assert len(read_served(write_decisions(plain, tmp_path, result=result)).won) == len(plain.won) - 20


def test_logs_that_cannot_tell_are_refused(plain: ServedLog, explored: ServedLog, tmp_path: Path) -> None:
    size = len(plain.won)
    several = ["autumn"] * 5 + ["spring"] * (size - 5)
    folder = write_decisions(plain, tmp_path / "several", campaign=several)
    with pytest.raises(NotEstimable, match="autumn, spring"):
        read_served(folder)
    assert len(read_served(folder, "autumn").won) == 5
    with pytest.raises(NotEstimable, match="no campaign summer"):
        read_served(folder, "summer")
    with pytest.raises(NotEstimable, match="first price"):
        read_served(write_decisions(plain, tmp_path / "first", first_price=np.ones(size, np.bool_)))
    with pytest.raises(NotEstimable, match="no auction"):
        read_served(write_decisions(plain, tmp_path / "none", bid=np.zeros(size), result=["lost"] * size))
    with pytest.raises(NotEstimable, match="slots"):
        read_served(write_decisions(plain, tmp_path / "slots", slots=np.arange(size) % 2 + 47))
    with pytest.raises(NotEstimable, match="does not declare"):
        read_served(write_decisions(explored, tmp_path / "factor", factor=np.full(len(explored.won), 2.0)))
    with pytest.raises(NoFilesMatched):
        read_served(tmp_path / "first" / "nothing-*")


def test_a_bid_whose_factor_is_not_told_is_refused_and_one_for_which_money_was_out_is_not(
    explored: ServedLog, tmp_path: Path
) -> None:
    factor, result = FACTORS[explored.tries.drawn], results(explored)
    broke = result == "no_money"
    broke[-3:] = True
    told = pl.Series(np.where(broke, np.nan, factor)).fill_nan(None)
    found = read_served(
        write_decisions(explored, tmp_path / "broke", factor=told, result=np.where(broke, "no_money", result))
    )
    assert len(found.won) == len(explored.won)
    told = pl.Series(np.where(np.arange(len(factor)) < 4, np.nan, factor)).fill_nan(None)
    untold = int((result[:4] != "no_money").sum())
    assert untold
    with pytest.raises(NotEstimable, match=f"{untold} auctions .* have no factor"):
        read_served(write_decisions(explored, tmp_path / "untold", factor=told))


def test_folders_that_explored_in_other_ways_are_not_one_log(explored: ServedLog, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_decisions(explored, tmp_path / name)
    (tmp_path / "segments.json").write_text(json.dumps(explored.segments))
    read_served(tmp_path)
    declared = json.loads((tmp_path / "b" / "exploration.json").read_text())
    declared["shares"] = declared["shares"][::-1] if declared["shares"] != declared["shares"][::-1] else [0.5, 0.3, 0.2]
    (tmp_path / "b" / "exploration.json").write_text(json.dumps(declared))
    with pytest.raises(NotEstimable, match="by itself"):
        read_served(tmp_path)


@pytest.mark.parametrize(
    "declared", [{"factors": [1.0], "shares": [0.5]}, {"factors": [1.0, -1.0], "shares": [0.5, 0.5]}]
)
def test_exploration_is_declared_by_factors_whose_shares_sum_to_one(
    declared: dict[str, list[float]], explored: ServedLog, tmp_path: Path
) -> None:
    folder = write_decisions(explored, tmp_path)
    assert FACTORS.tolist() == pytest.approx(sorted(json.loads((folder / "exploration.json").read_text())["factors"]))
    assert sum(SHARES) == pytest.approx(1.0)
    (folder / "exploration.json").write_text(json.dumps(declared))
    with pytest.raises(NotEstimable, match="sum to 1"):
        read_served(folder)


def test_files_that_are_no_log_are_named(plain: ServedLog, tmp_path: Path) -> None:
    folder = write_decisions(plain, tmp_path)
    (folder / "decisions-2-1.parquet").write_bytes(b"bidpilot-sealed" + bytes(8))
    with pytest.raises(UnreadableFile, match="--key-file"):
        read_served(folder)
    (folder / "decisions-2-1.parquet").write_bytes(b"nothing")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_served(folder)
    (folder / "decisions-2-1.parquet").unlink()
    (folder / "segments.json").unlink()
    with pytest.raises(UnreadableFile, match="beside the decisions"):
        read_served(folder)
