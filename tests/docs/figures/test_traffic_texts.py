"""The table of bars says what was asked, what was reached, and whether that is enough."""

from __future__ import annotations

from docs.figures.protocols import TEXTS

ROW = {
    "market": "invalid",
    "bar": 0.75,
    "bar_of": "share",
    "met": True,
    "gain": 0.0417,
    "gain_low": 0.03,
    "gain_high": 0.05,
    "share": 0.87,
    "honest_refused": 0.0011,
    "honest_closed": 0.0,
    "invalid_share": 0.116,
    "caught": 0.72,
    "precision": 0.98,
    "recall": None,
    "slots_to_detection": 0.0,
    "wasted_before": 0.097,
    "wasted_after": 0.011,
}
CALM = {**ROW, "market": "calm", "bar": -0.0005, "bar_of": "change", "met": False, "share": None, "invalid_share": 0.0}


class Measured:
    """Records of this one measurement."""

    def __getitem__(self, name: str) -> Measured:
        assert name == "traffic"
        return self

    rows = (ROW, CALM, {**CALM, "market": "shown", "bar": None, "met": None, "gain_low": None})


def test_bars_are_told_with_whether_they_are_met() -> None:
    lines = TEXTS["traffic"](Measured()).splitlines()[2:]  # type: ignore[arg-type]
    assert lines == [
        "| invalid | share 0.75, met | +0.0417 | +0.0300 .. +0.0500 | 0.87 | 0.11 % | 0.00 % |",
        "| calm | -0.0005, missed | +0.0417 | +0.0300 .. +0.0500 |  | 0.11 % | 0.00 % |",
        "| shown |  | +0.0417 |  |  | 0.11 % | 0.00 % |",
    ]


def test_how_right_it_was_is_told_of_invalid_traffic_alone() -> None:
    lines = TEXTS["traffic-found"](Measured()).splitlines()[2:]  # type: ignore[arg-type]
    assert lines == ["| invalid | 11.6 % | 72 % | 0.98 |  | 0 | 9.7 % | 1.1 % |"]
