"""What a day's budget and targets are where its auctions disagree: all are kept, and a stated rule decides."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import polars as pl

from bidpilot.bidding.errors import ChangedTerms

TERMS = ("budget", "conversion_value", "max_cpa")
TermsRule = Literal["last", "first", "most", "refuse"]
_SAME = 1e-6  # relative: what float32 and sums in another order do to an amount
_WORDS = {
    "last": "the value of its last slot",
    "first": "the value of its first slot",
    "most": "the value that most of its auctions have",
}


class DayTerms:
    """Settles the terms of each day and remembers what had to be settled.

    A slot's value is the one that most of its auctions have, so that one damaged row decides nothing where its slot
    has others.

    Args:
        rule: `last`, `first`: the value of the day's last or first slot; `most`: of most auctions; `refuse`: an error.
    """

    def __init__(self, rule: TermsRule) -> None:
        self._rule = rule
        self._days: Counter[str] = Counter()
        self._auctions: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()

    def settle(self, rows: pl.DataFrame, label: str) -> dict[str, float | None]:
        """The terms of one day; None where no auction has one.

        Args:
            rows: the day's rows, with `slot` and TERMS.
            label: what the day is called.

        Raises:
            ChangedTerms: the rule is to refuse days whose terms change.
        """
        return {term: self._settle(rows.select("slot", value=pl.col(term)), term, label) for term in TERMS}

    def notes(self, days: int) -> list[str]:
        """What was settled, by term."""
        out = [
            f"{term} changes during {self._days[term]} of {days} days ({self._auctions[term]} auctions were held under "
            f"another value): each such day has {_WORDS[self._rule]}"
            for term in self._days
        ]
        return out + [
            f"{term} is missing in {count} auctions of days that have it: the day's holds for them"
            for term, count in self._missing.items()
        ]

    def _settle(self, rows: pl.DataFrame, term: str, label: str) -> float | None:
        low, high = rows["value"].min(), rows["value"].max()
        if low is None:
            return None
        assert isinstance(low, float)
        assert isinstance(high, float)
        if missing := rows["value"].null_count():
            self._missing[term] += missing
        if high - low <= _SAME * high:
            return low if high == low else _commonest(rows)
        if self._rule == "refuse":
            raise ChangedTerms(
                f"{label}: {term} changes during the day, from {low:g} to {high:g}. Import with --terms last, first or "
                "most to give the day one value."
            )
        rows = rows.drop_nulls("value")
        if self._rule == "most":
            value = _commonest(rows)
        else:
            slot = rows["slot"].max() if self._rule == "last" else rows["slot"].min()
            value = _commonest(rows.filter(pl.col("slot") == slot))
        self._days[term] += 1
        self._auctions[term] += int(((rows["value"] - value).abs() > _SAME * value).sum())
        return value


def _commonest(rows: pl.DataFrame) -> float:
    """The most frequent value, the earliest of equals; values that differ by noise count as one."""
    counts = (
        rows.drop_nulls("value")
        .group_by(pl.col("value").round_sig_figs(6).alias("near"), maintain_order=True)
        .agg(pl.len(), pl.col("value").mode(maintain_order=True).first())
        .sort("len", descending=True, maintain_order=True)
    )
    return float(counts["value"][0])
