"""The forecast: a bid landscape and how its levels vary. From training days only; stored with the run."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.calendar import CalendarEffects, Expected, NamedEvent, with_events

EXPOSURE_LEVEL, INTERACTION_LEVEL, CONVERSION_LEVEL, PRICE_LEVEL, TRAFFIC_LEVEL = range(5)
_UNREADABLE = (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class BidLandscape:
    """M representative auctions at unit level. Conversions are held at the worth that `Forecast.worth` tells."""

    price: NDArray[np.float64]  # (M,) market price, currency
    value: NDArray[np.float64]  # (M, 3) predicted exposure, interaction, conversion times its worth
    segment: NDArray[np.int16]  # (M,)
    weight: NDArray[np.float64]  # (M,) share of the auctions it stands for, sums to 1

    def __post_init__(self) -> None:
        size = self.price.shape[0]
        if size == 0:
            raise InvalidLandscape("a bid landscape needs auctions; got none. Fit it on days that have some.")
        if self.value.shape != (size, 3) or self.weight.shape != (size,) or self.segment.shape != (size,):
            raise InvalidLandscape(
                f"landscape columns must have {size} rows; got value {self.value.shape}, weight {self.weight.shape}, "
                f"segment {self.segment.shape}."
            )
        for name in ("price", "value", "weight"):
            column = getattr(self, name)
            if not np.isfinite(column).all() or (column < 0).any():
                raise InvalidLandscape(f"landscape {name} must be finite and >= 0; got {column.min()}.")
        if not self.price.any():
            raise InvalidLandscape(
                f"all {size} auctions of a bid landscape have a market price of 0, so that every bid wins them and "
                "none can be planned. Fit it on days that record what was paid, or could have been."
            )

    @cached_property
    def mean_price(self) -> float:
        """Mean market price, currency."""
        return float(self.weight @ self.price)

    @cached_property
    def mean_value(self) -> NDArray[np.float64]:
        """Mean value per auction (3,)."""
        mean: NDArray[np.float64] = self.weight @ self.value
        return mean


@dataclass(frozen=True, eq=False)
class Forecast:
    """What training days say of a day to come. Compared by identity, so that what follows from it can be kept.

    It is of the mean day. Where training days have dates, `calendar` says how weekdays and named events differ from it
    (`expected`), and levels of training days are against what was to be expected of each.

    Rates carry over between advertisers, and money need not: where `conversion_value` is given, conversions are held
    at that one worth whoever they were recorded for, and a campaign's own worth makes no difference to a plan but where
    it asks for a return. None is the money form: every day's conversions at that day's own worth, every campaign's at
    its own.
    """

    landscape: BidLandscape
    auctions: NDArray[np.float64]  # (T,) expected per slot
    price_curve: NDArray[np.float64]  # (T,) price level by slot, mean 1 over auctions
    history: NDArray[np.float64]  # (D, T, 5) levels of training days: KPI triple, price, traffic; 1 = forecast
    observed: NDArray[np.bool_]  # (D, T) False where a training slot had no auctions
    level_slots: int  # slots over which a value level lasts; divides T
    segments: tuple[str, ...]  # (S,) "channel/tier"
    conversion_value: float | None = None  # currency per conversion, of the landscape's column; None: each one's own
    source_share: NDArray[np.float64] | None = (
        None  # (C,) share of auctions by source; None: sources are not told apart
    )
    calendar: CalendarEffects | None = None  # None: all days alike

    def __post_init__(self) -> None:
        slots = self.auctions.shape[0]
        if slots == 0 or not np.isfinite(self.auctions).all() or self.auctions.sum() <= 0:
            raise InvalidLandscape(f"a forecast needs slots with auctions; got {self.auctions.sum()} in {slots} slots.")
        if slots % self.level_slots:
            raise InvalidLandscape(f"level_slots {self.level_slots} must divide the {slots} slots of a day.")
        if not np.isfinite(self.history).all() or (self.history < 0).any():
            raise InvalidLandscape("levels of training days must be finite and >= 0.")
        if self.conversion_value is not None and not 0 < self.conversion_value < np.inf:
            raise InvalidLandscape(
                f"conversions are held at a worth that is finite and above 0; got {self.conversion_value}. Use 1."
            )
        share = self.source_share
        if share is not None and not (share.ndim == 1 and (share >= 0).all() and abs(share.sum() - 1.0) < 1e-6):
            raise InvalidLandscape(f"shares of sources are one row, >= 0, and sum to 1; got {share}.")

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return int(self.auctions.shape[0])

    @property
    def blocks(self) -> int:
        """Blocks of `level_slots` slots per day."""
        return self.slots // self.level_slots

    def expected(self, day: NDArray[np.int64] | None) -> Expected | None:
        """What the calendar expects of days since 1970 (B,); None where days or forecast have none: the mean day."""
        return None if day is None or self.calendar is None else self.calendar.expect(day)

    def with_events(self, events: Sequence[NamedEvent]) -> Forecast:
        """The forecast with these named events in place of its own."""
        return replace(self, calendar=with_events(self.calendar, events))

    def worth(self, own: ArrayLike) -> NDArray[np.float64]:
        """Currency that a conversion counts as here (...), for campaigns to which it is worth `own` (...) currency."""
        own = np.asarray(own, np.float64)
        return own if self.conversion_value is None else np.full_like(own, self.conversion_value)

    def kpi_unit(self, own: ArrayLike) -> NDArray[np.float64]:
        """What one of each KPI is in the landscape's columns (..., 3), for campaigns of worth `own` (...), currency.

        Totals in columns over it are KPIs in their own units; coefficients for columns times it are for these.
        """
        worth = self.worth(own)
        return np.stack([np.ones_like(worth), np.ones_like(worth), worth], axis=-1)

    @cached_property
    def rest_of_block(self) -> tuple[tuple[float, float], ...]:
        """Of each slot on to its block's end: demand in auctions times price level, and its shift in octaves.

        At the start of a block nothing is known of it but what is known of the day: it counts as a later one.
        """
        return tuple(self._rest_of_block(t) for t in range(self.slots))

    def _rest_of_block(self, t: int) -> tuple[float, float]:
        if t % self.level_slots == 0:
            return 0.0, 0.0
        rest = slice(t, t + self.level_slots - t % self.level_slots)
        demand = self.auctions[rest] * self.price_curve[rest]
        total = float(demand.sum())
        return total, float(demand @ np.log2(self.price_curve[rest]) / total) if total > 0 else 0.0

    @cached_property
    def block_levels(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Levels (D, blocks, 5) weighted by auctions, and which blocks had auctions (D, blocks)."""
        days = self.history.shape[0]
        shape = (days, self.blocks, self.level_slots)
        weight = np.where(self.observed, self.auctions * self.history[:, :, TRAFFIC_LEVEL], 0.0).reshape(shape)
        total = weight.sum(axis=2)
        levels = np.einsum("dbt,dbtk->dbk", weight, self.history.reshape(*shape, 5))
        seen = total > 0
        levels = np.where(seen[..., None], levels / np.where(seen, total, 1.0)[..., None], 1.0)
        levels[..., TRAFFIC_LEVEL] = total / self.auctions.reshape(self.blocks, self.level_slots).sum(axis=1).clip(
            1e-300
        )
        levels[..., PRICE_LEVEL] = np.maximum(levels[..., PRICE_LEVEL], 2.0**-16)
        return levels, seen

    def save(self, path: Path) -> None:
        """Write to one .npz file, without pickle."""
        apart = "landscape", "segments", "calendar"
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        arrays = {name: value for name, value in arrays.items() if value is not None}
        arrays |= {f"landscape_{f.name}": getattr(self.landscape, f.name) for f in fields(self.landscape)}
        if self.calendar is not None:
            arrays |= self.calendar.arrays()
        np.savez(path, segments=np.array(self.segments), **arrays)

    @classmethod
    def load(cls, path: Path, read: bytes | None = None) -> Forecast:
        """Read what `save` wrote; `read` is what the file holds, where it was read before.

        Raises:
            InvalidLandscape: not such a file.
        """
        try:
            # np.load leaves a file that it opened itself open when it fails
            whole = Path(path).open("rb") if read is None else io.BytesIO(read)  # noqa: SIM115
            with whole as file, np.load(file, allow_pickle=False) as data:
                calendar = None
                if "calendar_weekday" in data:
                    calendar = CalendarEffects.of_arrays(
                        data["calendar_weekday"], data["calendar_doubt"], str(data["calendar_events"])
                    )
                landscape = BidLandscape(**{f.name: data[f"landscape_{f.name}"] for f in fields(BidLandscape)})
                return cls(
                    landscape=landscape,
                    auctions=data["auctions"],
                    price_curve=data["price_curve"],
                    history=data["history"],
                    observed=data["observed"],
                    level_slots=int(data["level_slots"]),
                    segments=tuple(str(s) for s in data["segments"]),
                    # what was stored before there was a reference is in money
                    conversion_value=float(data["conversion_value"]) if "conversion_value" in data else None,
                    source_share=data.get("source_share"),
                    calendar=calendar,
                )
        except (*_UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
            raise InvalidLandscape(
                f"{path} is not a saved forecast ({error}). Train again, or export the run."
            ) from error
