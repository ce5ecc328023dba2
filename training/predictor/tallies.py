"""Won exposures by day and cell: what rates are learned from and judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI
from bidpilot.training.predictor.credibility import Column, Tally

CELL = ("source", "format", "hour")
_TOLD = ("viewed", "interacted", "converted")


@dataclass(frozen=True)
class Tallies:
    """C cells with their exposures."""

    source: NDArray[np.int64]  # (C,)
    format: tuple[str, ...]  # (C,)
    hour: NDArray[np.int64]  # (C,)
    count: Column  # (C,)
    total: Column  # (C, 3) of what was told of each KPI; of exposure, where no view was told, what was predicted
    square: Column  # (C, 3)
    predicted: Column  # (C, 3) sum of what the server expected

    def of(self, kpi: int) -> Tally:
        """The tally of one KPI."""
        return Tally(self.source, self.count, self.total[:, kpi], self.square[:, kpi])

    @property
    def exposures(self) -> int:
        """All of them."""
        return int(self.count.sum())


def views_are_told(won: pl.DataFrame) -> bool:
    """Whether the log tells of views, so that exposure can be learned."""
    return bool(won["viewed"].sum() > 0)


def tallies(won: pl.DataFrame, viewed: bool) -> Tallies:
    """The cells of some days (`envs.logs.won.SCHEMA`); `viewed`: exposure is what was seen, else what was predicted."""
    outcome = dict(zip(KPI, (_TOLD[0] if viewed else KPI[0], *_TOLD[1:]), strict=True))
    found = won.group_by(CELL).agg(
        pl.len().alias("count"),
        *(pl.col(told).sum().alias(f"total_{kpi}") for kpi, told in outcome.items()),
        *((pl.col(told) ** 2).sum().alias(f"square_{kpi}") for kpi, told in outcome.items()),
        *(pl.col(kpi).sum().alias(f"predicted_{kpi}") for kpi in KPI),
    )
    found = found.sort(CELL)

    def table(what: str) -> Column:
        return np.stack([found[f"{what}_{kpi}"].to_numpy() for kpi in KPI], axis=1).astype(np.float64)

    return Tallies(
        source=found["source"].to_numpy().astype(np.int64),
        format=tuple(found["format"]),
        hour=found["hour"].to_numpy().astype(np.int64),
        count=found["count"].to_numpy().astype(np.float64),
        total=table("total"),
        square=table("square"),
        predicted=table("predicted"),
    )
