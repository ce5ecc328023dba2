"""The dual of a campaign's plan on the binned day: what each constraint costs, and the bid rule it gives.

An auction is bought where its value at the marginal utilities exceeds what it takes of every constraint at
its multiplier. The Lagrangian dual is convex and, over a day's bins, nearly smooth: it is minimised by a
projected Newton method (Bertsekas, SIAM J. Control Optim. 20, 1982) with each kink rounded over a share of the
price, the share shrinking. The multipliers are those of the linear or conic program on the same bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.row import Row, Scaled, Vector
from bidpilot.bidding.errors import InfeasibleCampaign

_WIDTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)  # half-widths of a rounded kink, as shares of the price
_LEAST_COST = 1e-4  # of money against value: where money has no limit, nearly everything is bought
_STEPS = 50
_TIGHT = 1e-9  # relative decrease below which a width is done
_IMPOSSIBLE = -1e-6  # the feasibility dual below this, at multipliers of size 1, certifies that nothing is feasible
_FAR_OFF = 600.0  # log of a utility bound that says nothing
_FAR = 5.0  # a step changes no multiplier by more than this times itself
_MUCH = 8.0  # times the reference, a price is of another size
_LEAST_LEVEL = 1e-12  # a step leaves at least this share of the level whose logarithm is taken, far from underflow
_LEAST_Q = 0.1  # a step leaves at least this share of a multiplier that must stay positive


@dataclass(frozen=True)
class Multipliers:
    """A dual solution, in utility per unit of the rows."""

    kpi: Vector  # (3,) marginal utility of each KPI, per ideal point
    rows: Vector  # (K,) multipliers of the rows, >= 0, the budget's first
    utility: float  # of the optimum


class DualRule(NamedTuple):
    """The rule `scale * m[s] * (gain . v + share[s])`, in units of money, ideal points and shares of the auctions."""

    gain: Vector  # (3,)
    share: Vector  # (S,)
    multiplier: Vector  # (S,) at most 1
    scale: float  # 1 / the least multiplier of money


def rule_of(found: Multipliers, rows: tuple[Row, ...], charge: Vector | float = 1.0) -> DualRule:
    """The rule whose bid is what an auction is worth at these multipliers.

    A rule is one for the whole day: a row that counts some slots alone is charged at its mean over all of them. The
    bid is held against a price that is paid times `charge` (S,).
    """
    prices = [p if row.slots is None else p * row.slots.mean() for p, row in zip(found.rows, rows, strict=True)]

    def total(part: str) -> Vector:
        sums: Vector = sum(p * getattr(row, part) for p, row in zip(prices, rows, strict=True))
        return sums

    gain, share = found.kpi + total("value"), -total("wins")
    cost = np.maximum(total("money"), _LEAST_COST * gain.sum()) * charge
    base = float(cost.min())
    return DualRule(gain, share, base / cost, 1.0 / base)


def solve_dual(
    scaled: Scaled, rows: tuple[Row, ...], preference: Vector, kind: int, start: Multipliers | None = None
) -> Multipliers:
    """Multipliers of the plan that maximises a scalarisation (`kind`, its code) within the rows.

    Raises:
        InfeasibleCampaign: no plan keeps all rows; names those that conflict.
    """
    dual = _Dual(scaled, rows, preference, kind)
    y = dual.begin() if start is None else dual.resume(start)
    for width in _WIDTHS if start is None else _WIDTHS[1:]:
        y = dual.minimise(y, width)
        dual.look_at(y)
    return dual.multipliers(y)


def dual_bound(scaled: Scaled, rows: tuple[Row, ...], preference: Vector, kind: int, multipliers: Multipliers) -> float:
    """The utility that no plan exceeds, certified by `multipliers`, whatever found them."""
    dual = _Dual(scaled, rows, preference, kind)
    return dual.utility(dual.resume(multipliers), 0.0)


class _Value(NamedTuple):
    value: float
    gradient: Vector  # (n,)
    hessian: NDArray[np.float64]  # (n, n)


class _Dual:
    """The dual over y = (multipliers of the rows, marginal utilities where the scalarisation leaves them free)."""

    def __init__(self, scaled: Scaled, rows: tuple[Row, ...], preference: Vector, kind: int) -> None:
        self.day, self.rows, self.kind = scaled, rows, kind
        self.preference, self.active = preference, np.flatnonzero(preference > 0)
        self.bound = np.array([row.bound for row in rows])
        money = np.stack([row.money for row in rows])[:, scaled.segment]
        self.priced = money * scaled.price  # (K, N)
        self.plain = np.stack([row.wins for row in rows])[:, scaled.segment]
        self.plain -= np.stack([row.value for row in rows]) @ scaled.value.T
        self._take_out_slots()
        self.free = kind != Scalarisation.weighted_sum.code
        if self.free:  # a free marginal utility enters as a row that takes -value
            self.priced = np.concatenate([self.priced, np.zeros((len(self.active), scaled.price.size))])
            self.plain = np.concatenate([self.plain, -scaled.value[:, self.active].T])
            self.bound = np.concatenate([self.bound, np.zeros(len(self.active))])
        self.fixed = np.zeros(scaled.price.size) if self.free else scaled.value @ preference
        self.ray = preference[self.active] / preference.max()  # chebyshev: shares rise along it
        self.count = len(rows)
        self.reference = 1.0

    def _take_out_slots(self) -> None:
        """Keep rows that count some slots alone apart: what each of them takes differs by slot."""
        self.timed = np.array([k for k, row in enumerate(self.rows) if row.slots is not None], np.int64)
        self.takes = np.zeros((len(self.timed), *self.day.share.shape))  # (J, T, N)
        for j, k in enumerate(self.timed):
            whole = self.plain[k] + np.multiply.outer(self.day.curve, self.priced[k])
            self.takes[j] = np.multiply(self.rows[k].slots, whole.T).T
            self.plain[k] = self.priced[k] = 0.0

    def _surplus(self, fixed: Vector, y: Vector) -> NDArray[np.float64]:
        """(T, N) value less what an auction takes of the rows at multipliers y, of the first rows where y is short."""
        plain, priced = fixed - y @ self.plain[: len(y)], y @ self.priced[: len(y)]
        surplus = plain - np.multiply.outer(self.day.curve, priced)
        if len(self.timed):
            surplus -= np.tensordot(y[self.timed], self.takes, 1)
        return surplus

    def begin(self) -> Vector:
        """The budget's multiplier alone, at the preference as marginal utilities."""
        y = np.zeros(len(self.bound))
        gain = self.fixed
        if self.free:
            y[self.count :] = self.preference[self.active]
            gain = self.day.value[:, self.active] @ y[self.count :]
        cost = self.day.share * np.multiply.outer(self.day.curve, self.day.price)
        y[0] = self._budget_price(gain)
        reference = y[0] if cost.sum() > self.bound[0] else self._mean_return(gain)
        if self.free:  # F is the log of the utility, whose value at this plan scales the multipliers
            bought = gain > y[0] * np.multiply.outer(self.day.curve, self.day.price)
            kpi = np.einsum("tn,tn,nj->j", self.day.share, bought, self.day.value[:, self.active])
            there = max(float(self.preference[self.active] @ kpi), 1e-9)
            y, reference = y / there, reference / there
        self.reference = reference
        return y

    def _mean_return(self, gain: Vector) -> float:
        """What money brings where all auctions are bought: the size of prices where the budget has none."""
        cost = float((self.day.share * np.multiply.outer(self.day.curve, self.day.price)).sum())
        return float((self.day.share * gain).sum()) / cost if cost > 0 else 1.0

    def look_at(self, y: Vector) -> None:
        """Round kinks by the prices found where they are far above the budget's: a constraint binds long before it."""
        self.reference = max(self.reference, float(y[: self.count].max()) / _MUCH)

    def resume(self, start: Multipliers) -> Vector:
        """From another day's solution."""
        largest = float(start.rows.max()) or self._mean_return(self.day.value @ start.kpi)
        self.reference = largest / (start.utility if self.free else 1.0)
        if not self.free:
            return start.rows.copy()
        return np.concatenate([start.rows, np.maximum(start.kpi[self.active], 1e-9)]) / start.utility

    def _budget_price(self, gain: Vector) -> float:
        """The budget's multiplier when it is the only limit, at least that at which nearly all is bought."""
        low, high = -40.0, 40.0
        price = np.multiply.outer(self.day.curve, self.day.price)
        cost = self.day.share * price
        for _ in range(60):
            middle = 0.5 * (low + high)
            spend = float(cost[gain > 2.0**middle * price].sum())
            low, high = (middle, high) if spend > self.bound[0] else (low, middle)
        return float(2.0**high)

    def evaluate(self, y: Vector, width: float) -> _Value:
        """The rounded dual with its derivatives."""
        half = np.multiply.outer(self.day.curve, width * self.reference * self.day.price)  # (T, N)
        surplus = self._surplus(self.fixed, y)
        inside = np.abs(surplus) < half
        depth = np.divide(surplus, half, out=np.zeros_like(half), where=inside)
        bought = np.where(inside, 0.5 + 0.5 * depth, surplus > 0)
        rounded = np.where(inside, half * bought**2, np.maximum(surplus, 0.0))
        amount = self.day.share * bought
        once, twice = amount.sum(axis=0), self.day.curve @ amount
        gradient = self.bound - self.plain @ once - self.priced @ twice
        bend = np.divide(self.day.share, 2.0 * half, out=np.zeros_like(half), where=inside)
        c = self.day.curve
        h0, h1, h2 = bend.sum(axis=0), c @ bend, (c * c) @ bend
        cross = (self.plain * h1) @ self.priced.T
        hessian = (self.plain * h0) @ self.plain.T + cross + cross.T + (self.priced * h2) @ self.priced.T
        if len(self.timed):
            self._add_timed(amount, bend, gradient, hessian)
        value = float((self.day.share * rounded).sum() + self.bound @ y)
        return self._with_utility(y, value, gradient, hessian)

    def _add_timed(
        self,
        amount: NDArray[np.float64],
        bend: NDArray[np.float64],
        gradient: Vector,
        hessian: NDArray[np.float64],
    ) -> None:
        """Add rows that count some slots alone to the derivatives, in place."""
        at, bent = self.timed, self.takes * bend
        gradient[at] -= np.einsum("jtn,tn->j", self.takes, amount)
        crossed = bent.sum(axis=1) @ self.plain.T + np.einsum("t,jtn->jn", self.day.curve, bent) @ self.priced.T
        crossed[:, at] = np.einsum("jtn,ltn->jl", bent, self.takes)
        hessian[at], hessian[:, at] = crossed, crossed.T

    def _with_utility(self, y: Vector, value: float, gradient: Vector, hessian: NDArray[np.float64]) -> _Value:
        """Add the conjugate of log u: `-sum w log q` (nash) or `-log(q . ray)` (chebyshev)."""
        if not self.free:
            return _Value(value, gradient, hessian)
        k, q = self.count, y[self.count :]
        if self.kind == Scalarisation.nash.code:
            w = self.preference[self.active]
            value -= float(w @ np.log(q))
            gradient[k:] -= w / q
            hessian[k:, k:] += np.diag(w / q**2)
        else:
            level = float(q @ self.ray)
            value -= float(np.log(level))
            gradient[k:] -= self.ray / level
            hessian[k:, k:] += np.outer(self.ray, self.ray) / level**2
        return _Value(value, gradient, hessian)

    def minimise(self, y: Vector, width: float) -> Vector:
        """Projected Newton steps from `y` at one rounding."""
        now = self.evaluate(y, width)
        for _ in range(_STEPS):
            self._check_feasible(y)
            before = now.value
            y, now = self._search(y, self._direction(y, now), now, width)
            if before - now.value <= _TIGHT * max(1.0, abs(now.value)):
                break
        return y

    def _direction(self, y: Vector, now: _Value) -> Vector:
        size = np.maximum(np.abs(y), 0.1 * self.reference)
        at_zero = (y <= 1e-6 * self.reference) & (now.gradient > 0)
        if self.free and self.kind == Scalarisation.nash.code:
            at_zero[self.count :] = False
        free = np.flatnonzero(~at_zero)
        step = np.zeros_like(y)
        if len(free):
            hessian = now.hessian[np.ix_(free, free)] * np.multiply.outer(size[free], size[free])
            gradient = now.gradient[free] * size[free]
            ridge = 1e-9 * max(float(np.trace(hessian)), float(np.abs(gradient).max()), 1e-30)
            step[free] = -size[free] * np.linalg.solve(hessian + ridge * np.eye(len(free)), gradient)
        step[at_zero] = -y[at_zero]
        return step / max(1.0, float((np.abs(step) / (_FAR * size)).max()))

    def _search(self, y: Vector, step: Vector, now: _Value, width: float) -> tuple[Vector, _Value]:
        t = 1.0
        least = np.zeros_like(y)
        level = _LEAST_LEVEL * float(y[self.count :] @ self.ray) if self.free else 0.0
        if self.kind == Scalarisation.nash.code:
            least[self.count :] = _LEAST_Q * y[self.count :]
        for _ in range(40):
            trial = np.maximum(y + t * step, least)
            if not (self.free and float(trial[self.count :] @ self.ray) <= level):
                there = self.evaluate(trial, width)
                if there.value <= now.value + 1e-4 * float(now.gradient @ (trial - y)):
                    return trial, there
            t *= 0.5
        return y, now

    def _check_feasible(self, y: Vector) -> None:
        """A negative value of the dual of feasibility alone proves that the rows conflict."""
        theta = y[: self.count]
        size = float(theta.max())
        if size <= 0:
            return
        surplus = np.maximum(self._surplus(np.zeros(self.day.price.size), theta), 0.0)
        if float((self.day.share * surplus).sum() + self.bound[: self.count] @ theta) < _IMPOSSIBLE * size:
            names = [row.name for row, p in zip(self.rows, theta, strict=True) if p > 1e-3 * size]
            raise InfeasibleCampaign(
                f"no plan keeps {' and '.join(names)} together under the forecast. Relax one of them; `bidpilot solve` "
                "says by how much."
            )

    def multipliers(self, y: Vector) -> Multipliers:
        """In utility, not its logarithm."""
        rows, best = y[: self.count], self.utility(y)
        if not self.free:
            return Multipliers(self.preference.copy(), rows.copy(), best)
        kpi = np.zeros(3)
        kpi[self.active] = y[self.count :]
        return Multipliers(best * kpi, best * rows, best)

    def utility(self, y: Vector, width: float = _WIDTHS[-1]) -> float:
        """The utility that no plan exceeds, by weak duality."""
        value = self.evaluate(y, width).value
        if not self.free:
            return value
        w = self.preference[self.active]
        constant = float(w @ np.log(w)) if self.kind == Scalarisation.nash.code else 0.0
        return float(np.exp(min(value + constant - 1.0, _FAR_OFF)))
