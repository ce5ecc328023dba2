"""The import's account of rows adds up and names every reason."""

from pathlib import Path

from bidpilot.envs.logs.importers import ImportSummary
from bidpilot.training.cli.import_log import describe


def summary(set_aside: dict[str, int], rows_other: int) -> ImportSummary:
    return ImportSummary(
        folder=Path("logs/a"),
        name="a",
        days=20,
        rows_in=1000 + sum(set_aside.values()) + rows_other,
        rows_kept=1000,
        set_aside=set_aside,
        rows_other=rows_other,
        digest="00",
    )


def test_rows_in_are_rows_kept_and_rows_set_aside() -> None:
    shown = describe(summary({"price is negative": 3, "value is missing": 1}, 0)).splitlines()
    assert shown[0] == "log a: 20 days in logs/a"
    assert shown[1] == "rows in 1,004 = kept 1,000 + set aside 4"
    assert [line.split(maxsplit=1) for line in shown[2:]] == [
        ["3", "price is negative"],
        ["1", "value is missing"],
    ]


def test_rows_of_other_advertisers_are_told_apart() -> None:
    assert describe(summary({}, 500)).endswith(
        "rows in 1,500 = kept 1,000 + set aside 0 + 500 of other advertisers"
    )
