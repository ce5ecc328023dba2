"""Utilities of a KPI triple, all homogeneous of degree 1 with u(ideal point) = 1."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidpilot.bidding.errors import InvalidPreference, ZeroIdealPoint
from bidpilot.bidding.kpi import KPI


class Scalarisation(StrEnum):
    """How a KPI triple becomes one number."""

    weighted_sum = "weighted_sum"  # u = sum_j w_j x_j / z_j
    nash = "nash"  # u = prod_j (x_j / z_j) ** w_j
    chebyshev = "chebyshev"  # u = max(w) * min over j with w_j > 0 of (x_j / z_j) / w_j

    @property
    def code(self) -> int:
        """Position in the one-hot feature and in batched arrays."""
        return list(Scalarisation).index(self)


def check_preference(preference: ArrayLike) -> NDArray[np.float64]:
    """Return `preference` (..., 3) as float64.

    Raises:
        InvalidPreference: not three numbers, negative, not finite, or not summing to 1.
    """
    w = np.asarray(preference, np.float64)
    if w.shape[-1:] != (3,):
        raise InvalidPreference(
            f"a preference has 3 entries, {', '.join(KPI)}; got shape {w.shape}. Give three numbers."
        )
    if not np.isfinite(w).all() or (w < 0).any() or (np.abs(w.sum(axis=-1) - 1.0) > 1e-6).any():
        raise InvalidPreference(
            f"a preference is non-negative and sums to 1; got {w.tolist()}. Divide it by its sum, without negatives."
        )
    return w


def check_ideal_point(ideal: NDArray[np.float64], preference: NDArray[np.float64]) -> None:
    """Refuse an ideal point (..., 3) that is not positive where the preference (..., 3) is.

    Raises:
        ZeroIdealPoint: names the KPI.
    """
    bad = (preference > 0) & ~((ideal > 0) & np.isfinite(ideal))
    if bad.any():
        j = int(np.argmax(bad.reshape(-1, 3).any(axis=0)))
        value = float(np.broadcast_to(ideal, bad.shape)[bad][0])
        raise ZeroIdealPoint(
            f"the ideal point of {KPI[j]} is {value} but its preference is positive: no auction of the forecast "
            f"brings any {KPI[j]}. Set its preference to 0 or use a log that has it."
        )


def utility(
    kpi: NDArray[np.float64],
    ideal: NDArray[np.float64],
    preference: NDArray[np.float64],
    kind: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Utility (B,) of KPI totals (B, 3) by design section 1; `kind` (B,) holds `Scalarisation.code`.

    A KPI with preference 0 is left out, whatever its ideal point.
    """
    active = preference > 0
    share = np.where(active, kpi, 0.0) / np.where(active, ideal, 1.0)
    if not kind.any():
        return np.einsum("bj,bj->b", preference, share)  # type: ignore[no-any-return]
    weighted = (preference * share).sum(axis=-1)
    nash = np.where(active, share**preference, 1.0).prod(axis=-1)
    worst = np.where(active, share / np.where(active, preference, 1.0), np.inf).min(axis=-1)
    return np.choose(kind, [weighted, nash, preference.max(axis=-1) * worst])
