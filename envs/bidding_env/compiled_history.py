"""The day's history for many rows at once: compiled, which the library that serves cannot be."""

from __future__ import annotations

import numba
import numpy as np

from bidpilot.bidding.day.history import History


class CompiledHistory(History):
    """`History` to the last bit, its search for a change without a table of all splits."""

    def _update_change(self, n: int) -> None:
        _most_marked(self._traffic[: n + 1], *self._splits[n], self._slots, *self._change)


@numba.njit(cache=True, error_model="numpy")
def _most_marked(traffic, share, root, slots, change, age):  # type: ignore[no-untyped-def]
    """What `History._update_change` writes, of cumulative traffic (n + 1, B)."""
    n, rows = len(traffic) - 1, change.size
    most, at = np.full(rows, -1.0), np.zeros(rows, np.int64)
    for k in range(n - 1):
        before, weight = share[k, 0], root[k, 0]
        for b in range(rows):
            marked = (before * traffic[n, b] - traffic[k + 1, b]) * weight
            further = abs(marked) > most[b]
            most[b] = abs(marked) if further else most[b]
            at[b] = k if further else at[b]
            change[b] = marked if further else change[b]
    for b in range(rows):
        change[b] *= root[at[b], 0]
        age[b] = (n - 1 - at[b]) / slots
