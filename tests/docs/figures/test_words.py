"""Words of judgement are those of the interval; numbers stand as a reader expects them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs.figures.ground import TEXTS as GROUND
from docs.figures.protocols import TEXTS as PROTOCOLS
from docs.figures.record import POOLED, Record, Records, Step
from docs.figures.words import judged, said, signed


def pair(diff: float, low: float | None, high: float | None, suite: str = "daily") -> dict[str, Any]:
    return {"agent": "a", "against": "b", "suite": suite, "diff": diff, "diff_low": low, "diff_high": high}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (pair(0.0451, 0.0424, 0.0480), "gains 0.0451 on `daily` (0.0424 to 0.0480)"),
        (pair(-0.0018, -0.0023, -0.0014), "loses 0.0018 on `daily` (0.0014 to 0.0023)"),
        (pair(0.0004, -0.0002, 0.0009), "is level on `daily` (+0.0004, -0.0002 to +0.0009)"),
        (pair(0.0002, -0.00001, 0.0005), "is level on `daily` (+0.0002, 0.0000 to +0.0005)"),
        (pair(0.0004, 0.0, 0.0009), "is level on `daily` (+0.0004, 0.0000 to +0.0009)"),
        (pair(0.02, None, None), "is not judged on `daily` (+0.0200, of too few groups for an interval)"),
    ],
)
def test_the_word_is_the_intervals(row: dict[str, Any], words: str) -> None:
    assert judged([row]) == words
    assert said(row).split("(")[-1] == words.split("(")[-1]
    assert said(row).split()[:2] == words.split()[:2]


def test_suites_are_told_by_verdict_the_greatest_first() -> None:
    rows = [pair(0.1, 0.05, 0.2, "s"), pair(-0.3, -0.4, -0.2, "t"), pair(0.2, 0.1, 0.3, "u"), pair(0.0, -1.0, 1.0, "v")]
    most = "gains 0.2 on `u` (0.1 to 0.3) and 0.1 on `s` (0.1 to 0.2); it loses 0.3 on `t` (0.2 to 0.4)"
    assert judged(rows, 1, brief=True) == f"{most}; it is level on `v`"


def test_both_scores_of_the_auctionnet_protocol_stand_side_by_side(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for suite, shift in (("test", 0.0), ("test without targets", 0.1)):
        for agent, ratio, low in ((POOLED, 0.8, 0.7), ("ppo@0", 0.79, 0.7), ("mpc", 0.7, None)):
            row = {"agent": agent, "suite": suite, "iqm": ratio + shift, "ci_low": low, "ci_high": low, "days": 40}
            row |= {"score": 20.0, "realised_score": 19.0, "violation_rate": 0.25, "seeds": 3 if agent == POOLED else 1}
            rows.append(row)
        for other in ("mpc", "online_lp"):
            row = {
                "agent": POOLED,
                "against": other,
                "suite": suite,
                "diff": 0.1,
                "diff_low": shift - 0.05,
                "diff_high": 0.2,
            }
            rows.append(row)
    records = Records(tmp_path)
    records.keep("auctionnet", Record({}, [Step("x", None, rows)]))
    named = json.loads(json.dumps(rows).replace(POOLED, "ppo").replace("ppo@0", "ppo@seed 0"))
    records.keep("auctionnet-left-out", Record({}, [Step("x", None, named)]))
    assert (
        PROTOCOLS["auctionnet-left-out"](records).splitlines()[-2:]
        == PROTOCOLS["auctionnet"](records).splitlines()[-2:]
    )
    text = PROTOCOLS["auctionnet"](records)
    assert text.startswith(
        "On 40 days of other advertisers than those of training; `ppo` is one policy over three training"
    )
    assert text.splitlines()[-2:] == [
        "| `ppo` | 0.800 (0.700 to 0.700) | 20.00 | 19.00 | 25 % | 0.900 (0.700 to 0.700) |",
        "| `mpc` | 0.700 (too few groups) | 20.00 | 19.00 | 25 % | 0.800 (too few groups) |",
    ]
    words = " ".join(PROTOCOLS["auctionnet-pairs"](records).split())
    assert "under target costs it is level (+0.100, -0.050 to +0.200) beside `mpc` and is level" in words
    assert "under budgets alone it gains 0.100 (0.050 to 0.200) beside `mpc` and gains" in words


def test_coverage_is_told_by_the_number_of_groups(tmp_path: Path) -> None:
    cells = [("normal", 3, 0.951, 0.812), ("heavy", 3, 0.97, 0.79), ("normal", 30, 0.94, 0.94)]
    rows = [
        {"name": f"interval_{law}_trim_0.25_4_days_{groups}_units", "value": value, "baseline": baseline}
        for law, groups, value, baseline in cells
    ]
    records = Records(tmp_path)
    records.keep("intervals", Record({}, [Step("x", None, rows)]))
    assert GROUND["intervals"](records).splitlines()[2:] == [
        "| 3 | 95.1 % to 97.0 % | 79.0 % to 81.2 % |",
        "| 30 | 94.0 % to 94.0 % | 94.0 % to 94.0 % |",
    ]


def test_zero_has_no_sign() -> None:
    assert [signed(-0.00004), signed(0.00004), signed(-0.00006)] == ["0.0000", "0.0000", "-0.0001"]


def test_a_difference_is_found_either_way_round() -> None:
    record = Record({}, [Step("x", None, [pair(0.2, 0.1, 0.4), pair(0.3, None, None, "shift")])])
    assert record.pair("a", "b", "daily") == pair(0.2, 0.1, 0.4)
    turned = record.pair("b", "a", "daily")
    assert (turned["agent"], turned["diff"], turned["diff_low"], turned["diff_high"]) == ("b", -0.2, -0.4, -0.1)
    assert record.pair("b", "a", "shift")["diff_high"] is None
    with pytest.raises(LookupError, match="0 rows"):
        record.pair("a", "c", "daily")
