"""The values of a request's impressions, as predictors give them, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bidpilot.serving.collector import Value

MOST_VALUE = 1e6
"""The largest value that is believed of an interaction."""


class Prediction(NamedTuple):
    """What is expected of an exposure."""

    value: Value  # exposure in [0, 1], interaction >= 0, conversion in [0, 1]
    segment: int  # place among the bundle's


class Values(NamedTuple):
    """What a predictor may return in place of bare values (I, 3): with the segment of each impression."""

    values: object  # (I, 3) exposure, interaction, conversion
    segments: Sequence[str | int | None]  # (I,) name or place of the bundle's; None: it is not to be bid on


Predicted = dict[str, Prediction | None]
"""By the id of an impression; None where it is not to be bid on. One that is not in it is the built-in predictor's."""


def sound(value: Sequence[float]) -> bool:
    """Whether three numbers can be values; NaN cannot."""
    exposure, interaction, conversion = value
    return 0.0 <= exposure <= 1.0 and 0.0 <= interaction <= MOST_VALUE and 0.0 <= conversion <= 1.0


class Wrong(Exception):  # never leaves this room: it is counted
    """Raised where what a predictor returned has another form."""


def checked(
    returned: object, ids: Sequence[str], segments: dict[str, int], usual: int, counts: Counter[str]
) -> Predicted:
    """What a predictor returned, by impression; those whose values cannot be are left out, and counted as `invalid`.

    Args:
        returned: values (I, 3), or `Values`.
        ids: (I,) of the impressions.
        segments: places of the bundle's by name.
        usual: the segment of impressions whose one is not told.

    Raises:
        Wrong: it has another form.
    """
    values, told = returned if isinstance(returned, Values) else (returned, None)
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise Wrong from error
    if table.shape != (len(ids), 3) or (told is not None and len(told) != len(ids)):
        raise Wrong
    found: Predicted = {}
    for k, (id, row) in enumerate(zip(ids, table.tolist(), strict=True)):
        if told is not None and told[k] is None:
            found[id] = None
            continue
        segment = usual if told is None else _segment(told[k], segments)
        if segment is None or not sound(row):
            counts["invalid"] += 1
            continue
        found[id] = Prediction((row[0], row[1], row[2]), segment)
    return found


def _segment(told: object, segments: dict[str, int]) -> int | None:
    if isinstance(told, str):
        return segments.get(told)
    if isinstance(told, int | np.integer) and not isinstance(told, bool) and 0 <= told < len(segments):
        return int(told)
    return None
