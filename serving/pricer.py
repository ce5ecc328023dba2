"""Prices one exposure by the rule of a slot, in plain Python numbers: microseconds, and explained on request."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape import shading
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule
from bidpilot.serving.collector import Value


class ShadingTable:
    """`bidpilot.bidding.landscape.shading.shade` for one value at a time, under one forecast."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._points: list[float] = []

    def __call__(self, value: float) -> float:
        """The bid for a value under first price, currency."""
        if not self._points:  # fitted when the first first-price auction comes
            self._points = shading.grid().tolist()
            self._factors: list[float] = self._planner.shading.tolist()
            self._unit = self._planner.forecast.landscape.mean_price
        points, factors = self._points, self._factors
        ratio = min(max(value / self._unit, points[0]), points[-1])
        k = min(bisect_right(points, ratio) - 1, len(points) - 2)
        inside = (ratio - points[k]) / (points[k + 1] - points[k])
        return value * (factors[k] + (factors[k + 1] - factors[k]) * inside)


class Pricer:
    """`bid = s[source] * (m[segment] * (alpha . v) + beta[segment])`, shaded under first price, never above the cap.

    `bidpilot.bidding.rule.price` in plain numbers, which takes a twenty-fifth of its time for one auction.

    Args:
        rule: one row.
        cap: most that is bid for one exposure, currency.
        shade: shading of the forecast.
    """

    def __init__(self, rule: Rule, cap: float, shade: ShadingTable) -> None:
        self.rule, self.cap, self._shade = rule, cap, shade
        self.alpha: tuple[float, float, float] = tuple(rule.alpha[0].tolist())
        self._level = 1.0 if rule.price_level is None else float(rule.price_level[0])
        self._multiplier: list[float] = rule.multiplier[0].tolist()
        self._beta: list[float] = rule.beta[0].tolist()
        self._discount: list[float] | None = None if rule.gate is None else rule.gate.multiplier[0].tolist()

    def value(self, value: Value, segment: int, source: int) -> float:
        """The rule's bid before shading and cap, currency; quotas are not looked at."""
        a = self.alpha
        worth = self._multiplier[segment] * (a[0] * value[0] + a[1] * value[1] + a[2] * value[2]) + self._beta[segment]
        return worth if self._discount is None else self._discount[source] * worth

    def bid(self, value: Value, segment: int, source: int, first_price: bool) -> float:
        """The bid, currency; above `cap` where the caller must cut it."""
        bid = self.value(value, segment, source)
        return self._level * self._shade(bid / self._level) if first_price and bid > 0 else bid

    def explain(self, value: Value, segment: int, source: int, first_price: bool) -> dict[str, Any]:
        """The bid's parts, currency."""
        worth, bid = self.value(value, segment, source), self.bid(value, segment, source, first_price)
        return {
            "terms": {k: a * v for k, a, v in zip(KPI, self.alpha, value, strict=True)},
            "alpha": dict(zip(KPI, self.alpha, strict=True)),
            "value": dict(zip(KPI, value, strict=True)),
            "multiplier": self._multiplier[segment],
            "beta": self._beta[segment],
            "source_multiplier": 1.0 if self._discount is None else self._discount[source],
            "worth": worth,
            "price_level": self._level,
            "shaded": bid,
            "cap": self.cap,
            "bid": max(min(bid, self.cap), 0.0),
        }
