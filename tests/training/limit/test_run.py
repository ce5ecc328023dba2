"""The command's rows: what can be won at most, paired by day; and what is refused before any work."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.bidding.errors import NoLimit, UnknownSuite
from bidpilot.training.limit import run as command
from bidpilot.training.limit.bound import DayLimits
from bidpilot.training.limit.config import LimitConfig
from bidpilot.training.limit.rows import limit_rows
from bidpilot.training.report.limit import limit_plot, print_limit


def limits(days: int) -> tuple[DayLimits, NDArray[np.float64]]:
    """Days on which `mpc` is charged what it was lucky to have, and lies 0.01 below the bound."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0.0, 0.05, days)
    luck -= luck.mean()
    bound = 0.98 + rng.normal(0.0, 0.001, days)
    return DayLimits(bound, {"mpc": bound - 0.01}, {"mpc": luck}), bound - 0.01 + luck


def test_the_room_above_an_agent_is_paired_by_day_without_its_luck() -> None:
    found, ratio = limits(200)
    (row,) = limit_rows("small", found, {"mpc": ratio}, seed=0)
    assert row["room"] == pytest.approx(0.01)
    assert row["room_low"] == pytest.approx(row["room_high"])  # the luck of 0.05 is not in it
    assert row["penalty"] == pytest.approx(0.0, abs=1e-9)
    assert row["penalty_low"] is not None
    assert row["penalty_low"] < 0.0
    assert row["bound"] - row["mean"] == pytest.approx(0.01)


def test_a_day_alone_has_no_interval_and_is_printed_and_drawn_all_the_same() -> None:
    found, ratio = limits(1)
    rows = limit_rows("small", found, {"mpc": ratio}, seed=0)
    out = io.StringIO()
    print_limit(rows, Console(file=out))
    assert rows[0]["room_low"] is None
    assert "small: no policy that does not know the future" in out.getvalue()
    assert "0.0100" in out.getvalue()
    assert [text.get_text() for text in limit_plot(rows).axes[0].get_yticklabels()] == ["mpc"]


@pytest.mark.parametrize(("suite", "error"), [("shift", NoLimit), ("nowhere", UnknownSuite)])
def test_a_suite_without_a_limit_is_refused_before_a_run_is_opened(
    suite: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_run", lambda *_, **__: pytest.fail("a run was opened"))
    with pytest.raises(error, match=suite):
        command.run(LimitConfig(suite=suite))
