"""Criteo's attribution log as published: seconds from 0, prices of its own, one sale told by many impressions."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log

HEADER = (
    *("timestamp", "uid", "campaign", "conversion", "conversion_timestamp", "conversion_id", "attribution", "click"),
    *("click_pos", "click_nb", "cost", "cpo", "time_since_last_click", *(f"cat{place}" for place in range(1, 10))),
)
ROW: dict[str, Any] = {
    **dict.fromkeys(HEADER, 0),
    **dict.fromkeys(("conversion_timestamp", "conversion_id", "click_pos", "click_nb", "time_since_last_click"), -1),
    "uid": 20073966,
    "campaign": 22589171,
    "cost": 1.0e-05,
    "cpo": 0.390794,
    "cat1": 5824233,
}


def write(folder: Path, *changes: dict[str, Any]) -> Path:
    rows = ["\t".join(HEADER), *("\t".join(str({**ROW, **row}[name]) for name in HEADER) for row in changes)]
    path = folder / "criteo_attribution_dataset.tsv.gz"
    path.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    return path


def test_the_published_file_becomes_days_of_campaigns(tmp_path: Path) -> None:
    sale = {"conversion": 1, "conversion_id": 7, "uid": 1}
    path = write(
        tmp_path,
        {},
        {**sale, "timestamp": 3600, "click": 1, "cost": 2e-4},
        {**sale, "timestamp": 7200, "click": 1, "attribution": 1},
        {"timestamp": 86_400, "campaign": 9},
    )
    summary = run_import("criteo", [path], tmp_path / "log")
    log = load_log(tmp_path / "log")
    assert (summary.rows_in, summary.rows_kept) == (4, 4)
    assert [day.label for day in log.days] == ["campaign 22589171, day 0", "campaign 9, day 1"]
    assert [np.flatnonzero(row).tolist() for row in log.counts] == [[0, 2, 4], [0]]
    assert log.converted is not None
    assert log.interacted is not None
    # The sale was told by two impressions and attributed to one.
    assert (log.converted.tolist(), log.interacted.tolist()) == ([0, 0, 1, 0], [0, 1, 1, 0])
    np.testing.assert_allclose(log.market_price, [1e-5, 2e-4, 1e-5, 1e-5], rtol=1e-6)
    assert {"uid", "cpo", "conversion"} <= set(summary.dropped)
    assert any("attributed" in note for note in log.notes)
    assert any("count from 0" in note for note in log.notes)
