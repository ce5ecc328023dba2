"""The risk register on the page: the file of `bidpilot risks`, or an error that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.watch.heat import RISKS
from bidpilot.bidding.watch.register import RiskEntry, matrix
from bidpilot.serving.page.register import read_register
from bidpilot.training.report.risks import Register

CHANNELS = ("feed", "search")


def register() -> dict[str, Any]:
    entry = RiskEntry(
        risk=RISKS[0], effect="less traffic", source="suite", likelihood=0.2, likelihood_low=0.1, likelihood_high=0.3,
        money_lost=0.05,
    )  # fmt: skip
    lost = np.zeros((len(RISKS), len(CHANNELS), 24))
    lost[0, 1, 14], lost[2, 1, 14] = 0.01, 0.0025
    found: dict[str, Any] = Register((entry,), matrix([entry]), CHANNELS, lost, None, 40.0).as_json()
    return found


def test_what_the_command_writes_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "risks.json"
    file.write_text(json.dumps(register()))
    places, loss = read_register(file)
    assert places.rows == ("frequent", "likely", "possible", "unlikely", "rare")
    assert places.columns == ("negligible", "minor", "moderate", "major", "severe")
    found = {
        (row, column): count
        for row, counts in zip(places.rows, places.cells, strict=True)
        for column, count in zip(places.columns, counts, strict=True)
        if count
    }
    assert found == {("frequent", "major"): 1}
    assert loss.rows == CHANNELS
    assert [loss.cells[0][14], loss.cells[1][14], sum(filter(None, loss.cells[1]))] == [0.0, 1.25, 1.25]


def broken(change: str) -> bytes:
    made = register()
    if change == "no matrix":
        del made["matrix"]
    elif change == "a row is short":
        made["matrix"]["entries"][1].pop()
    elif change == "a channel too many":
        made["heat"]["channels"] = ["feed", "search", "moon"]
    elif change == "no hours":
        made["heat"]["lost"] = []
    return json.dumps(made).encode() if change != "no JSON" else b"{"


@pytest.mark.parametrize("change", ["no JSON", "no matrix", "a row is short", "a channel too many", "no hours"])
def test_what_is_no_register_is_a_named_error(tmp_path: Path, change: str) -> None:
    file = tmp_path / "risks.json"
    file.write_bytes(broken(change))
    with pytest.raises(InvalidServing, match="is no risk register"):
        read_register(file)
    with pytest.raises(InvalidServing, match="bidpilot risks STATE --json FILE"):
        read_register(tmp_path / "missing.json")
