"""The action: how an agent moves the rule away from the plan. Zero action = bid the plan."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidAction
from bidpilot.bidding.rule import Rule

SCALE_REACH = 1.5  # a[0] multiplies alpha and beta by exp(1.5 a[0])
TILT_REACH = 0.7  # a[1], a[2] tilt interaction and conversion by exp(0.7 a)
SEGMENT_REACH = 0.7  # a[3:] are segment multipliers exp(0.7 a), centred
FIRST_SEGMENT = 3


def action_size(segments: int) -> int:
    """Entries of an action for `segments` segments."""
    return FIRST_SEGMENT + segments


def decode(
    action: NDArray[np.floating],
    alpha: NDArray[np.float64],
    multiplier: NDArray[np.float64] | None = None,
    beta: NDArray[np.float64] | None = None,
) -> Rule:
    """The rule of actions (B, 3 + S) in [-1, 1] around reference `alpha` (B, 3), `multiplier` and `beta` (B, S).

    Entries outside [-1, 1] are clipped.

    Raises:
        InvalidAction: not finite, or no row for each reference row.
    """
    if action.ndim != 2 or action.shape[0] != alpha.shape[0] or action.shape[1] <= FIRST_SEGMENT:
        raise InvalidAction(
            f"actions must have shape ({alpha.shape[0]}, 3 + segments); got {action.shape}. One row per campaign."
        )
    if multiplier is not None and action.shape[1] != action_size(multiplier.shape[1]):
        raise InvalidAction(
            f"an action has {action_size(multiplier.shape[1])} entries here, 3 + segments; got {action.shape[1]}."
        )
    if not np.isfinite(action).all():
        raise InvalidAction("an action is not finite (NaN or infinity). Check the policy's weights and its input.")
    held = np.minimum(np.maximum(action, -1.0), 1.0).astype(np.float64)
    segments = held.shape[1] - FIRST_SEGMENT
    factor = held.T.copy()  # (3 + S, B): rows in a line
    factor[FIRST_SEGMENT:] -= np.einsum("bs->b", held[:, FIRST_SEGMENT:]) / segments
    factor *= _reaches(segments)
    np.exp(factor, out=factor)
    factor[1:FIRST_SEGMENT] *= factor[0]
    of_alpha, of_segment = factor[:FIRST_SEGMENT].T, factor[FIRST_SEGMENT:].T
    return Rule(
        alpha=np.multiply(alpha, of_alpha, order="C"),
        multiplier=of_segment.copy() if multiplier is None else np.multiply(of_segment, multiplier, order="C"),
        beta=np.zeros(of_segment.shape) if beta is None else beta * of_alpha[:, :1],
    )


@cache
def _reaches(segments: int) -> NDArray[np.float64]:
    """(3 + S, 1) what each entry of an action is multiplied by before its exponential is taken."""
    return np.repeat([SCALE_REACH, TILT_REACH, SEGMENT_REACH], [1, FIRST_SEGMENT - 1, segments])[:, None]
