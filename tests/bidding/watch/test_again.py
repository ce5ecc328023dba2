"""A shock that follows a burst of the same metric is told of, though the burst is not forgotten yet."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.watch.metrics import NAMES
from bidpilot.bidding.watch.scan import AGAIN, CALM, REQUESTS, Teller


@pytest.mark.parametrize(("within", "told"), [(AGAIN - 1, 1), (AGAIN, 2), (AGAIN + 20, 2)])
def test_an_excursion_is_told_of_again_after_it_was_within_its_threshold_for_long(within: int, told: int) -> None:
    teller = Teller(np.full((2, len(NAMES)), 4.0))
    first = np.full((2, len(NAMES)), 20)
    below = [5.0, 5.0, *[4.0 * (CALM + 0.1)] * within, 5.0, 5.0]
    found = []
    for requests in below:
        score = np.zeros((2, len(NAMES)))
        score[1, REQUESTS] = requests
        found += teller.tell(score, first)
    assert len(found) == told
