"""Who plays, by the names that are typed, and what a log is played under: the same for the command and from Python."""

from __future__ import annotations

from collections.abc import Sequence

from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.contestants import (
    Contestant,
    check_gains,
    check_law_known,
    find_contestants,
    named_runs,
)
from bidpilot.training.evaluation.ground import Trained, find_trained


def entered(
    named: Sequence[str], experiment: str, records: Sequence[SuiteRecord], log: AuctionLog | None, forecast: str | None
) -> tuple[list[Contestant], Trained | None]:
    """The agents of these names, and what `log` is played under; None for the second where suites are played.

    Args:
        named: names of agents, as `find_contestants` takes them.
        experiment: where runs are looked for.
        records: suites to play; not looked at where a log is given.
        log: recorded days to play in their place.
        forecast: whose forecast the log is played under; None to find one.

    Raises:
        UnknownAgent, UnknownLaw, RunNotFound, AmbiguousRun, PolicyMismatch, ForecastMismatch, InvalidConfig: as
            `check_law_known`, `find_trained`, `check_gains` and `find_contestants` say.
    """
    runs = named_runs(named)
    if log is None:
        for record in records:
            check_gains(named, record.gains, record.gains)
        return find_contestants(tuple(named), experiment, presets={record.gains for record in records}), None
    check_law_known(named, log.name)
    learner = next((name for name in named if name in LEARNERS), None)
    trained = find_trained(log, forecast, runs, experiment, learner)
    check_gains(named, trained.part.lineage.log, f"the training log of {trained.name}")
    return find_contestants(tuple(named), experiment, log, trained), trained
