"""What may be said of an experiment after each unit, and the first word that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.experiments import ratio
from bidpilot.training.experiments.contrasts import (
    Path,
    difference_of_shares,
    log_ratio,
    log_ratio_of_rates,
)
from bidpilot.training.experiments.past import Past
from bidpilot.training.experiments.sequence import early_radius, log_evidence, mixture, radius
from bidpilot.training.experiments.units import Array, Units


class Verdict(StrEnum):
    """In order of precedence, the first that holds at a look."""

    broken = "the split is broken"  # arms did not get their shares of users: nothing else may be believed
    harmed = "stopped for harm"  # a guardrail is worse than is tolerated
    lost = "lost"
    won = "won"
    no_difference = "no difference worth having"
    go_on = "go on"


@dataclass(frozen=True)
class Terms:
    """What was agreed before the experiment began."""

    alpha: float = 0.05  # share of experiments on equal arms that may find a difference, however often one looks
    guard_alpha: float = 0.01  # the same for each guardrail
    horizon: float = 28.0  # units at which intervals are narrowest: the planned duration
    worth: float = 0.01  # relative difference below which nobody would change anything
    tolerated: float = 0.05  # loss of realised utility and rise of cost per conversion, relative
    tolerated_invalid: float = 0.01  # rise of the share of invalid wins


@dataclass(frozen=True)
class Columns:
    """What a verdict is made of, (..., T, 2): leading axes are experiments, the last is control and treated arm."""

    primary: Array  # expected utility, less what covariates explain
    realised: Array  # utility
    spend: Array  # currency
    conversions: Array
    told_wins: Array  # of units of which it is known which wins were invalid; 0 in others
    invalid_wins: Array  # 0 in others
    assigned: Array  # users; 0 in units of which nobody knows
    shares: tuple[float, float]
    tests_split: bool  # whether users were split and counted, so that their shares can be tested

    @classmethod
    def of(cls, units: Units, past: Past | None = None) -> Columns:
        """The columns of units; without `past` nothing is taken away from the primary metric."""
        counted, told = units.counts_users[:, None], units.tells_invalid[:, None]
        return cls(
            primary=units.expected_utility if past is None else past.adjust(units),
            realised=units.realised_utility,
            spend=units.spend,
            conversions=units.realised[..., 2],
            told_wins=np.where(told, units.wins, 0.0),
            invalid_wins=np.where(told, units.invalid_wins, 0.0),
            assigned=np.where(counted, units.assigned, 0.0),
            shares=units.shares,
            tests_split=units.design != "switchback" and bool(counted.any()),
        )


@dataclass(frozen=True)
class Look:
    """One metric after each unit: relative differences treated over control, or a difference of shares."""

    name: str
    path: Path
    low: Array  # (..., T)
    high: Array
    log_evidence: Array  # log e-value of a difference
    relative: bool

    def told(self, value: Array) -> Array:
        """A value of the path as it is shown: relative differences in place of logs."""
        return np.expm1(value) if self.relative else value


def primary_look(columns: Columns, terms: Terms) -> Look:
    """Expected utility, treated over control."""
    control, treated = _arms(columns.primary)
    path, rho2 = log_ratio(treated, control), mixture(terms.horizon, terms.alpha)
    return _look("expected utility", path, radius(path.units, rho2, terms.alpha), rho2)


def guardrails(columns: Columns, terms: Terms) -> list[tuple[Look, NDArray[np.bool_]]]:
    """Each guardrail with the looks at which it is proven worse than is tolerated, (..., T).

    The primary metric is the first of them, since it tells of harm soonest. Their intervals begin before the burn-in.
    """
    realised, spend, conversions, wins, invalid = map(
        _arms, (columns.realised, columns.spend, columns.conversions, columns.told_wins, columns.invalid_wins)
    )
    primary = _arms(columns.primary)
    least = np.log1p(-terms.tolerated)
    expected = _guard("expected utility", log_ratio(primary[1], primary[0]), terms)
    utility = _guard("realised utility", log_ratio(realised[1], realised[0]), terms)
    rates = log_ratio_of_rates((spend[1], conversions[1]), (spend[0], conversions[0]))
    cost = _guard("cost per conversion", rates, terms)
    found = [
        (expected, expected.high < least),
        (utility, utility.high < least),
        (cost, cost.low > np.log1p(terms.tolerated)),
    ]
    if columns.invalid_wins.any():
        shares = difference_of_shares((invalid[1], wins[1]), (invalid[0], wins[0]))
        share = _guard("invalid share", shares, terms, relative=False)
        found.append((share, share.low > terms.tolerated_invalid))
    return found


def log_mismatch(columns: Columns) -> Array | None:
    """Log e-value (..., T) of arms that do not get their shares of users; None where that cannot be tested."""
    if not columns.tests_split:
        return None
    return ratio.log_mismatch(np.cumsum(columns.assigned, axis=-2), columns.shares)


def verdicts(columns: Columns, terms: Terms) -> NDArray[np.int64]:
    """The verdict at each look (..., T), as its place in `Verdict`."""
    primary = primary_look(columns, terms)
    harmed = np.any([worse for _, worse in guardrails(columns, terms)], axis=0)
    mismatch = log_mismatch(columns)
    broken = np.zeros_like(harmed) if mismatch is None else mismatch >= -np.log(ratio.ALPHA)
    nothing = (primary.low > np.log1p(-terms.worth)) & (primary.high < np.log1p(terms.worth))
    said = [broken, harmed, primary.high < 0, primary.low > 0, nothing]
    return np.select(said, list(range(len(said))), len(said))


def first_ending(found: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The verdict that ends an experiment, or the last one where none does, and the unit (from 1) that it comes after.

    Args:
        found: verdicts (..., T).
    """
    ends = found != list(Verdict).index(Verdict.go_on)
    at = np.where(ends.any(axis=-1), ends.argmax(axis=-1), found.shape[-1] - 1)
    return np.take_along_axis(found, at[..., None], axis=-1)[..., 0], at + 1


def _guard(name: str, path: Path, terms: Terms, relative: bool = True) -> Look:
    """A guardrail's look, whose interval begins with the second unit."""
    rho2 = mixture(terms.horizon, terms.guard_alpha)
    return _look(name, path, early_radius(path.units, rho2, terms.guard_alpha), rho2, relative)


def _look(name: str, path: Path, radius_of: Array, rho2: float, relative: bool = True) -> Look:
    known = np.isfinite(path.std) & np.isfinite(radius_of)
    wide = np.where(known, np.where(known, path.std, 0.0) * np.where(known, radius_of, 0.0), np.inf)
    middle = np.where(np.isfinite(path.estimate), path.estimate, 0.0)
    evidence = log_evidence(path.units, path.estimate, path.std, rho2)
    return Look(name, path, middle - wide, middle + wide, evidence, relative)


def _arms(values: Array) -> tuple[Array, Array]:
    """Control and treated, (..., T) each."""
    return values[..., 0], values[..., 1]
