"""The bands of a campaign's day: what training days had of every metric, and how seldom they had more.

A feature (`features`) is told by how far into the tail of training days it lies: its score is the standard deviation
that the same tail of a normal law has, found from two quantiles and drawn out beyond them in a straight line, which is
an exponential tail. Bounded levels thereby stand out as soon as they pass what days ever had, noisy ones do not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidBands
from bidpilot.bidding.landscape.calendar import WEEKDAYS
from bidpilot.bidding.watch.features import (
    CHANGES,
    TOLD_WINDOWS,
    WINDOWS,
    level_features,
    shape,
    silence,
    told_features,
)
from bidpilot.bidding.watch.metrics import LEVELS, NAMES, SHAPE, SILENT, TOLD, Slots

NORMAL: Final = (1.6448536, 2.5758293)
"""Standard deviations beyond which a normal law has 5 % and 0.5 % on one side: what `inner` and `outer` stand for."""
LEAST_OF_USUAL: Final = 0.05
"""Share of what a slot usually has that a metric is raised to before its log is taken, as of a slot without wins."""
_SPANS: Final = {
    **{metric.name: (*((window, 0) for window in WINDOWS), *CHANGES) for metric in LEVELS},
    **{metric.name: (*((window, 0) for window in TOLD_WINDOWS), (0, 0)) for metric in TOLD},
    **{metric.name: ((0, 0),) for metric in (*SILENT, SHAPE)},
}
SPAN, BEFORE = np.array([pair for name in NAMES for pair in _SPANS[name]]).T
"""(F,) slots of each feature's window, 0: all since the day began, or since something was told; and slots before the
window that it is held against, 0: none, the forecast alone."""
WIDTH: Final = len(SPAN)
"""Features of all metrics, F."""


def _columns() -> dict[str, slice]:
    ends = np.cumsum([0, *(len(_SPANS[name]) for name in NAMES)])
    return {name: slice(int(a), int(b)) for name, a, b in zip(NAMES, ends[:-1], ends[1:], strict=True)}


COLUMNS: Final = _columns()
"""Where each metric's features are among all."""


@dataclass(frozen=True)
class Bands:
    """What training days had. Sides are above (0) and below (1); features are in the order of `COLUMNS`."""

    usual: NDArray[np.float64]  # (T, L) mean of each level metric, its own unit
    centre: NDArray[np.float64]  # (T, L) mean of its log
    weekday: NDArray[np.float64]  # (7, L) what a weekday adds to that, Monday on; 0 where days have no date
    unit: NDArray[np.float64]  # (2,) interactions, and conversions, that one event counts for
    inner: NDArray[np.float64]  # (2, T, F) the feature at 5 % of days on each side; below with its sign turned
    outer: NDArray[np.float64]  # (2, T, F) the same at 0.5 %
    threshold: NDArray[np.float64]  # (2, M) of each metric's greatest score; infinite where a side is not watched
    budget: float  # mean of training days, currency
    rate: float  # share of training days with any alarm
    days: int  # training days

    def __post_init__(self) -> None:
        slots = len(self.centre)
        wanted = {
            "usual": (slots, len(LEVELS)),
            "centre": (slots, len(LEVELS)),
            "weekday": (WEEKDAYS, len(LEVELS)),
            "unit": (2,),
            "inner": (2, slots, WIDTH),
            "outer": (2, slots, WIDTH),
            "threshold": (2, len(NAMES)),
        }
        for name, size in wanted.items():
            array = getattr(self, name)
            if array.shape != size or slots == 0:
                raise InvalidBands(f"{name} has shape {array.shape}, {size} is needed. Learn the bands again.")
            if name not in ("inner", "outer", "threshold") and not np.isfinite(array).all():
                raise InvalidBands(f"{name} holds what is no finite number. Learn the bands again.")
        if not (self.unit > 0).all() or not self.budget > 0 or np.isnan(self.threshold).any():
            raise InvalidBands("units and budget are above 0 and thresholds numbers. Learn the bands again.")

    @property
    def slots(self) -> int:
        """Slots of a day, T."""
        return len(self.centre)

    def expected(self, weekday: int | None) -> NDArray[np.float64]:
        """(T, L) expected log of each level metric on a weekday, Monday 0; None: the mean day."""
        return self.centre if weekday is None else self.centre + self.weekday[weekday]

    def residual(self, slots: Slots, weekday: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """(B, t, L) log of each level metric less what is expected of it; 0 where a slot tells nothing.

        `weekday` (B,) is of each day, below 0 where it has none; None: no day has one.
        """
        return residuals(slots.levels(), self.usual, self.centre, self._offset(weekday))

    def _offset(self, weekday: NDArray[np.int64] | None) -> NDArray[np.float64]:
        if weekday is None:
            return np.zeros((1, 1, len(LEVELS)))
        return np.where(weekday[:, None] >= 0, self.weekday[weekday], 0.0)[:, None, :]

    def features(self, slots: Slots, weekday: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """(B, t, F) all features at the end of each slot that is over."""
        return self.features_of(slots, self.residual(slots, weekday))

    def features_of(self, slots: Slots, residual: NDArray[np.float64], since: int = 0) -> NDArray[np.float64]:
        """(B, t, F) features of days with these level residuals (B, t, L); slots before `since` are not asked for."""
        return all_features(slots, residual, self.unit, since)

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(2, B, t, F) scores of features on each side, standard deviations; -inf where there is none."""
        return scores(features, self.inner[:, : features.shape[1]], self.outer[:, : features.shape[1]])

    def score_of(self, value: float, slot: int, feature: int, side: int) -> float:
        """The score of one feature's value at the end of a slot."""
        at = slot, feature
        inner, outer = self.inner[side][at], self.outer[side][at]
        sided = value if side == 0 else -value
        return float(NORMAL[0] + (sided - inner) / (outer - inner) * (NORMAL[1] - NORMAL[0]))

    def value_at(self, score: float, slot: int, feature: int, side: int) -> float:
        """The feature whose score is `score` at the end of a slot."""
        inner, outer = self.inner[side, slot, feature], self.outer[side, slot, feature]
        value = float(inner + (score - NORMAL[0]) / (NORMAL[1] - NORMAL[0]) * (outer - inner))
        return value if side == 0 else -value

    def save(self, path: Path) -> None:
        """Write them as arrays, without pickles."""
        np.savez(path, **{f.name: np.asarray(getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path, data: bytes | None = None) -> Bands:
        """Read what `save` wrote; `data` is the file's content where it has been read.

        Raises:
            InvalidBands: it cannot be that.
        """
        try:
            with np.load(BytesIO(path.read_bytes() if data is None else data), allow_pickle=False) as file:
                arrays = {f.name: file[f.name] for f in fields(cls)}
            single = {"budget": float(arrays["budget"]), "rate": float(arrays["rate"]), "days": int(arrays["days"])}
            return cls(**{k: np.asarray(v, np.float64) for k, v in arrays.items() if k not in single}, **single)  # type: ignore[arg-type]
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise InvalidBands(f"{path} holds no bands ({error}). Learn them again.") from error


def residuals(
    levels: NDArray[np.float64],
    usual: NDArray[np.float64],
    centre: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(B, t, L) log of `levels` (B, t, L) less `centre` (T, L) and `offset`; 0 where a level is no number."""
    t = levels.shape[1]
    raised = np.maximum(levels, LEAST_OF_USUAL * usual[:t])
    return np.where(np.isnan(levels), 0.0, np.log(np.where(raised > 0, raised, 1.0)) - centre[:t] - offset)


def all_features(
    slots: Slots, residual: NDArray[np.float64], unit: NDArray[np.float64], since: int = 0
) -> NDArray[np.float64]:
    """(B, t, F) features of days with level residuals (B, t, L) and units (2,) of what is told."""
    rows, t, metrics = residual.shape
    together = level_features(residual.swapaxes(1, 2).reshape(rows * metrics, t))  # all metrics at once: one is little
    levels = together.reshape(rows, metrics, t, -1).swapaxes(1, 2)
    told = [slots.of(name) / unit[k] for k, name in enumerate(("interactions_told", "conversions_told"))]
    predicted = [slots.of(name) / unit[k] for k, name in enumerate(("interaction", "conversion"))]
    return np.concatenate(
        [
            levels.reshape(rows, t, -1),
            *(told_features(*pair) for pair in zip(told, predicted, strict=True)),
            *(silence(*pair) for pair in zip(told, predicted, strict=True)),
            shape(residual[..., 0], since),
        ],
        axis=-1,
    )


def scores(
    features: NDArray[np.float64], inner: NDArray[np.float64], outer: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(2, B, t, F) how far features (B, t, F) lie in the tails that begin at `inner` and `outer` (2, t, F)."""
    sided = np.stack([features, -features])
    with np.errstate(invalid="ignore", divide="ignore"):
        beyond = (sided - inner[:, None]) / (outer - inner)[:, None]
        found = NORMAL[0] + beyond * (NORMAL[1] - NORMAL[0])
    return np.where(np.isfinite(found), found, -np.inf)
