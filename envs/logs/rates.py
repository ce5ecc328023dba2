"""Predictions for logs that hold outcomes only: the rate of like auctions on the other days.

A KPI's prediction is its mean outcome over the auctions of the same group on all other days, drawn
towards the mean of all groups by Buehlmann's credibility (Buehlmann and Gisler, "A Course in
Credibility Theory", 2005, section 4.8): with n auctions the own mean weighs n / (n + k), and
k = variance within groups / variance between groups. No auction's own outcome, nor any of its day's,
is part of its prediction.
"""

from __future__ import annotations

import polars as pl

_NO_DIFFERENCE = 1e12  # auctions that a group would need before its own mean counted
_COMPACT_AT = 16


class Rates:
    """Sums of outcomes by group and period, collected batch by batch.

    Args:
        kpis: the KPIs that are predicted; a batch holds their outcomes as `outcome_<kpi>`.
    """

    def __init__(self, kpis: tuple[str, ...]) -> None:
        self._kpis = kpis
        self._parts: list[pl.DataFrame] = []
        self._squares = dict.fromkeys(kpis, 0.0)

    def add(self, rows: pl.DataFrame) -> None:
        """Count usable rows: group, period and the outcomes."""
        if not self._kpis or not rows.height:
            return
        sums = [pl.col(f"outcome_{kpi}").cast(pl.Float64).sum().alias(kpi) for kpi in self._kpis]
        self._parts.append(rows.group_by("group", "period").agg(pl.len().cast(pl.Float64).alias("n"), *sums))
        for kpi in self._kpis:
            column = rows[f"outcome_{kpi}"].cast(pl.Float64)
            self._squares[kpi] += float((column * column).sum())
        if len(self._parts) >= _COMPACT_AT:
            self._compact()

    def predict(self, rows: pl.DataFrame, period: int) -> pl.DataFrame:
        """The rows of one period with a prediction in the column of each KPI."""
        if not self._kpis:
            return rows
        self._compact()
        sums = self._parts[0]
        names = ["n", *self._kpis]
        own = sums.filter(pl.col("period") == period).drop("period")
        others = (
            sums.filter(pl.col("period") != period)
            .join(own.select("group"), on="group", how="semi", nulls_equal=True)
            .group_by("group")
            .agg(pl.col(names).sum())
        )
        rest = sums.filter(pl.col("period") != period)
        # A log of one day has no other: then all its auctions have the one mean of the day.
        overall = (rest if rest.height else sums).select(pl.col(names).sum()).row(0, named=True)
        table = own.select("group").join(others, on="group", how="left", nulls_equal=True)
        table = table.with_columns(pl.col(names).fill_null(0.0))
        rates = []
        for kpi in self._kpis:
            mean, weight = overall[kpi] / overall["n"], self._credibility(kpi)
            # Groups whose outcomes never vary need no mean of all (weight 0), unless no other day has them.
            known = pl.col("n") + weight > 0
            rate = pl.when(known).then((pl.col(kpi) + weight * mean) / (pl.col("n") + weight)).otherwise(mean)
            rates.append(rate.cast(pl.Float32).alias(kpi))
        return rows.drop(self._kpis, strict=False).join(
            table.select("group", *rates), on="group", how="left", nulls_equal=True, maintain_order="left"
        )

    def _compact(self) -> None:
        names = ["n", *self._kpis]
        self._parts = [pl.concat(self._parts).group_by("group", "period").agg(pl.col(names).sum())]

    def _credibility(self, kpi: str) -> float:
        """k, in auctions, by analysis of variance over groups."""
        groups = self._parts[0].group_by("group").agg(pl.col("n", kpi).sum())
        n, total = groups["n"].to_numpy(), groups[kpi].to_numpy()
        size, count = float(n.sum()), len(n)
        if count < 2 or size <= count:
            return _NO_DIFFERENCE
        explained = float((total**2 / n).sum())
        within = max(self._squares[kpi] - explained, 0.0) / (size - count)
        between = (explained - total.sum() ** 2 / size) / (count - 1)
        spread = (between - within) / ((size - float((n**2).sum()) / size) / (count - 1))
        return min(float(within / spread), _NO_DIFFERENCE) if spread > 0 else _NO_DIFFERENCE
