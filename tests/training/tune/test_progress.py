"""A line per trial says what was found and what is left."""

from io import StringIO
from itertools import count

from rich.console import Console

from bidpilot.training.tune.progress import TrialProgress


def test_every_trial_is_told_with_the_best_and_the_time_left() -> None:
    out, seconds = StringIO(), count(step=30.0)
    progress = TrialProgress(Console(file=out, width=200), 2, 4, lambda: next(seconds))
    progress.begin("mpc", 1, 0.9, each=True)
    for place, value in ((1, 0.8), (2, 0.95), (3, 0.94)):
        progress.scored(place, value)
    progress.begin("mpc/0 markets", 0, None, each=False)
    for place in range(4):
        progress.scored(place, 0.5)
    assert out.getvalue().splitlines() == [
        "search 1/2, mpc, trial 2/4: R / R* 0.8000, best so far 0.9000, 60 s left",
        "search 1/2, mpc, trial 3/4: R / R* 0.9500, the best so far, 30 s left",
        "search 1/2, mpc, trial 4/4: R / R* 0.9400, best so far 0.9500",
        "search 2/2, mpc/0 markets, trial 4/4: R / R* 0.5000, best so far 0.5000",
    ]
