"""What days before an experiment tell: how much arms that are alike differ, and what of it covariates explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidpilot.training.experiments.contrasts import log_ratio
from bidpilot.training.experiments.cuped import Cuped, fit_paired, fit_single
from bidpilot.training.experiments.units import Units


@dataclass(frozen=True)
class Past:
    """Past units of arms that were alike. Spreads are of one unit's log ratio."""

    plain: float  # expected utility
    adjusted: float  # the same, less what covariates explain
    realised: float  # realised utility
    cuped: Cuped | None
    scale: float  # mean expected utility

    @classmethod
    def of(cls, units: Units) -> Past:
        """Learn from past units; without covariates where these do not tell them.

        Raises:
            InvalidExperiment: too few units.
        """
        result = units.expected_utility
        scale = float(result.mean())
        cuped, adjusted = None, result
        if units.knows_offered:
            cuped = fitted(units)
            adjusted = cuped.adjust(result, units.offered, scale)
        return cls(_std(result), _std(adjusted), _std(units.realised_utility), cuped, scale)


def fitted(units: Units) -> Cuped:
    """CUPED of past units: by differences within a day where arms share it, else by days."""
    result = units.expected_utility
    if units.design == "switchback":
        return fit_single(result.reshape(-1, 1), units.offered.reshape(-1, 1, units.offered.shape[-1]))
    return fit_paired(result, units.offered)


def _std(result: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(log_ratio(result[:, 1], result[:, 0]).std[-1])
