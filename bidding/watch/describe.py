"""An alarm from what a scan has seen: the window in the metric's own unit, its band there, and one sentence."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.bidding.watch.bands import BEFORE, NORMAL, SPAN, Bands
from bidpilot.bidding.watch.metrics import LEVELS, METRICS, SHAPE, SILENT, TOLD

_KINDS: Final = {
    **{metric.name: "level" for metric in LEVELS},
    **{metric.name: "told" for metric in TOLD},
    **{metric.name: "silent" for metric in SILENT},
    SHAPE.name: "shape",
}


class _Window(NamedTuple):
    """What was seen over a window, in the metric's own unit."""

    slots: int
    observed: float
    expected: float
    low: float
    high: float


class Seen(NamedTuple):
    """One day as far as it has been scanned."""

    bands: Bands
    residual: NDArray[np.float64]  # (t, L) log of the level metrics less what is expected of them
    expected: NDArray[np.float64]  # (T, L) that expectation, log
    features: NDArray[np.float64]  # (t, F)
    silent: NDArray[np.int64]  # (t, 2) slots since interactions, and conversions, were told of

    def alarm(self, risk: Risk, metric: int, side: int, slot: int, feature: int) -> Alarm:
        """The alarm of a feature that left its band on a side at the end of a slot."""
        threshold = float(self.bands.threshold[side, metric])
        value = float(self.features[slot, feature])
        score = float(self.bands.score_of(value, slot, feature, side))
        window = self._window(metric, slot, feature, side, threshold)
        named = METRICS[metric]
        return Alarm(
            risk=risk,
            metric=named.name,
            slot=slot,
            window=window.slots,
            observed=window.observed,
            expected=window.expected,
            low=window.low,
            high=window.high,
            score=score,
            threshold=threshold,
            explanation=_sentence(risk, named.name, named.unit, slot, window),
        )

    def _window(self, metric: int, slot: int, feature: int, side: int, threshold: float) -> _Window:
        kind = _KINDS[METRICS[metric].name]
        value = float(self.features[slot, feature])
        beyond = [self.bands.value_at(threshold, slot, feature, each) for each in (0, 1)]
        span = int(SPAN[feature]) or slot + 1
        if kind == "level":
            return self._level(metric, slot, feature, value, beyond)
        if kind == "told":
            return _Window(
                min(span, slot + 1), float(np.exp(value)), 1.0, float(np.exp(beyond[1])), float(np.exp(beyond[0]))
            )
        if kind == "silent":
            since = int(self.silent[slot, [m.name for m in SILENT].index(METRICS[metric].name)])
            return _Window(max(since, 1), value, 1.0, 0.0, beyond[0])
        usual = self.bands.value_at(NORMAL[0], slot, feature, side)
        return _Window(slot + 1, value, usual, 0.0, beyond[0])

    def _level(self, metric: int, slot: int, feature: int, value: float, beyond: list[float]) -> _Window:
        span, before = int(SPAN[feature]), int(BEFORE[feature])
        first = slot - span + 1
        usual = float(self.expected[first : slot + 1, metric].mean())
        if before:  # what the slots before the window had is what it is held against
            usual += float(self.residual[first - before : first, metric].mean())
        observed, expected, high, low = (float(np.exp(usual + by)) for by in (value, 0.0, *beyond))
        return _Window(span, observed, expected, low, high)


def _sentence(risk: Risk, name: str, unit: str, slot: int, window: _Window) -> str:
    when = f"in slot {slot}" if window.slots == 1 else f"in slots {slot - window.slots + 1} to {slot}"
    band = f"{window.low:.3g} to {window.high:.3g}"
    if risk is Risk.regime_change:
        told = f"{window.observed:.3g} {unit}, {window.expected:.3g} is usual (band {band})"
        return f"the day is of another law since it began: {name} {when} {told}. Re-fit the forecast."
    if name in (metric.name for metric in SILENT):
        told = f"nothing told {when}, in which {window.observed:.3g} were predicted"
        return f"{name}: {told} (band up to {window.high:.3g})."
    return f"{name} {when}: {window.observed:.3g} {unit}, expected {window.expected:.3g} (band {band})."
