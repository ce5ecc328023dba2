"""A batch of days: windows into one log's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.rule import Rule

INVALID_VIEWS: Final = 0.1
"""Views of an invalid win relative to a valid one: bots rarely play a video to the point that a player tells a view."""


class SourceDays(NamedTuple):
    """What B days do to C sources of traffic, beside the overlay of invalid auctions.

    An auction is of its own source, the log's, or moved: to an overlay's source and invalid, or else to a surging
    source and as valid as it was.
    """

    viral_share: NDArray[np.float32]  # (B, T) in [0, 1), share of auctions moved to a source that surges
    viral_source: NDArray[np.int16]  # (B, T) that source
    invalid_rate: NDArray[np.float32]  # (B, C) in [0, 1], share of a source's own auctions that are invalid all day
    keep: NDArray[np.float32]  # (B, T, C) in [0, 1], share of the log's auctions of a source that arrive
    fake: NDArray[np.float32]  # (B, 2) interaction events and views of an invalid win, relative to a valid one
    tracked: NDArray[np.bool_]  # (B, T) False while nothing is told of what wins bring

    @classmethod
    def plain(cls, rows: int, slots: int, sources: int) -> SourceDays:
        """Days on which sources are as the log has them."""
        return cls(
            viral_share=np.zeros((rows, slots), np.float32),
            viral_source=np.zeros((rows, slots), np.int16),
            invalid_rate=np.zeros((rows, sources), np.float32),
            keep=np.ones((rows, slots, sources), np.float32),
            fake=np.tile(np.array([0.0, INVALID_VIEWS], np.float32), (rows, 1)),
            tracked=np.ones((rows, slots), np.bool_),
        )


class OwnColumns(NamedTuple):
    """Auctions (A,) that belong to days and not to a market's log; what is predicted is true, and all are valid."""

    market_price: NDArray[np.float32]
    exposure: NDArray[np.float32]
    interaction: NDArray[np.float32]
    conversion: NDArray[np.float32]
    segment: NDArray[np.int16]
    source: NDArray[np.int16]
    invalid: NDArray[np.bool_]


class Answers(Protocol):
    """What makes days answer: rivals whose bids are the market prices, slot by slot."""

    @property
    def columns(self) -> OwnColumns:
        """The days' auctions; prices are those that the rivals would make alone, until a slot is answered."""

    def begin(self) -> None:
        """Begin the days anew."""

    def answer(
        self,
        t: int,
        rule: Rule,
        left: NDArray[np.float64],
        late: tuple[NDArray[np.bool_], NDArray[np.float64]] | None,
        bids_paid: tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]],
        threads: int = 1,
    ) -> None:
        """Play slot `t` against bids by `rule` of budgets `left` (B,), and write its market prices.

        `late` are the fields of `Withheld`, `bids_paid` those of `FirstPrice`.
        """


@dataclass(frozen=True)
class DayBatch:
    """B days: windows into one log's columns, with scales and an overlay of invalid auctions.

    A slot's auctions are `start .. start + count` of the log, in arrival order. Everything the
    kernel sees is the log's column times the scale of the auction's segment; exposure is never
    scaled. Realised outcomes are drawn from the true expectations unless the market replays them.
    """

    start: NDArray[np.int64]  # (B, T) index of the slot's first auction in the log
    count: NDArray[np.int64]  # (B, T) auctions in the window, >= 0
    keep: NDArray[np.float32] | None  # (B, T, S) share of each segment's auctions that arrive; None: all
    price_scale: NDArray[np.float32]  # (B, T, S) > 0, multiplies market_price
    value_scale: NDArray[np.float32]  # (B, T, S) > 0, multiplies interaction and conversion
    calibration: NDArray[np.float32]  # (B, 3) > 0, predicted = true scale times this (1: no error)
    invalid_share: NDArray[np.float32]  # (B, T) in [0, 1), share of auctions overlaid as invalid
    invalid_source: NDArray[np.int16]  # (B, T) source that the overlaid auctions come from
    salt: NDArray[np.uint64]  # (B,) seeds the per-auction hash of outcomes, thinning and overlay
    budget: NDArray[np.float64]  # (B,) currency per day; NaN where the campaign decides
    conversion_value: NDArray[np.float64]  # (B,) currency per conversion; NaN where the campaign decides
    max_cpa: NDArray[np.float64]  # (B,) recorded target CPA, currency; NaN where none
    sources: SourceDays | None = None  # None: every source is as the log has it
    date: NDArray[np.int64] | None = None  # (B,) days since 1970, `UNDATED` where a day has none; None: no day has one
    uniforms: NDArray[np.float64] | None = None  # (B, draws) that a synthetic or mixed market made the days from
    answers: Answers | None = None  # rivals who make the prices, whose columns the windows are into; None: the log's

    @property
    def bounds(self) -> dict[str, NDArray[np.float64]]:
        """What the days record of constraints, by row name: (B,), NaN where nothing is recorded."""
        return {"max_cpa": self.max_cpa}

    def tiled(self, times: int) -> DayBatch:
        """All days, `times` times over: row k B + b is day b."""

        def rows(column: Any) -> Any:
            return None if column is None else np.tile(column, (times, *(1,) * (column.ndim - 1)))

        columns = {f.name: rows(getattr(self, f.name)) for f in fields(self) if f.name != "sources"}
        return DayBatch(**columns, sources=None if self.sources is None else SourceDays(*map(rows, self.sources)))

    def without_targets(self) -> DayBatch:
        """The same days with no target recorded."""
        return replace(self, max_cpa=np.full(len(self), np.nan))

    def __len__(self) -> int:
        return int(self.start.shape[0])
