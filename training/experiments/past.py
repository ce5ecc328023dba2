"""What days before an experiment tell: how much arms that are alike differ, and what of it covariates explain."""

from __future__ import annotations

from dataclasses import dataclass

from bidpilot.training.experiments.contrasts import log_ratio
from bidpilot.training.experiments.cuped import Cuped, fit_paired, fit_single
from bidpilot.training.experiments.units import OFFERED, Array, Units


@dataclass(frozen=True)
class Past:
    """Past units of arms that were alike. Spreads are of one unit's log ratio."""

    plain: float  # expected utility
    adjusted: float  # the same, less what covariates explain
    realised: float  # realised utility
    cuped: Cuped | None
    covariates: tuple[int, ...]  # of `cuped`, places in `OFFERED`
    scale: float  # mean expected utility

    @classmethod
    def of(cls, units: Units, among: tuple[int, ...] = tuple(range(len(OFFERED)))) -> Past:
        """Learn from past units, with the covariates that they tell of those in `among`.

        Raises:
            InvalidExperiment: too few units.
        """
        result = units.expected_utility
        scale = float(result.mean())
        known = tuple(k for k in units.known_offered if k in among)
        cuped, adjusted = None, result
        if known:
            offered = units.covariates[..., known]
            cuped = fitted(result, offered, paired=units.design != "switchback")
            adjusted = cuped.adjust(result, offered, scale)
        return cls(_std(result), _std(adjusted), _std(units.realised_utility), cuped, known, scale)

    def adjust(self, units: Units) -> Array:
        """(N, 2) expected utility of units, less what their covariates explain."""
        result = units.expected_utility
        if self.cuped is None:
            return result
        return self.cuped.adjust(result, units.covariates[..., self.covariates], self.scale)


def fitted(result: Array, offered: Array, paired: bool) -> Cuped:
    """CUPED of results (N, 2) and covariates (N, 2, K): by differences where arms share days, else by days."""
    if paired:
        return fit_paired(result, offered)
    return fit_single(result.reshape(-1, 1), offered.reshape(-1, 1, offered.shape[-1]))


def _std(result: Array) -> float:
    return float(log_ratio(result[:, 1], result[:, 0]).std[-1])
