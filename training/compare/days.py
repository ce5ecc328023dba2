"""Held-out days that two trainings were both played on, by the evaluations on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import RunNotFound
from bidpilot.training.evaluation.record import DAYS
from bidpilot.training.evaluation.rows import pair_row
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.report.tables import PairRow
from bidpilot.training.tracking import RunInfo, download, finished_runs


@dataclass(frozen=True)
class Played:
    """The same days of a suite, played by both."""

    suite: str
    one: NDArray[np.float64]  # (D,) R / R*
    other: NDArray[np.float64]  # (D,)
    units: NDArray[np.int64]  # (D,) that each day belongs to

    def row(self, names: tuple[str, str], seed: int) -> PairRow:
        """What the first has more than the second."""
        return pair_row(self.suite, *names, self.one - self.other, self.units, seed)

    @property
    def scores(self) -> tuple[float, float]:
        """Interquartile means of R / R*."""
        return interquartile_mean(self.one), interquartile_mean(self.other)


def played_by_both(one: RunInfo, other: RunInfo) -> list[Played]:
    """Of each suite the most days that evaluations have of both, the latest of as many; none where there are none.

    Days are the same where their digests are, whichever evaluations played them.
    """
    mine, theirs = ({record.key: record for record in _records(run)} for run in (one, other))
    found: dict[str, Played] = {}
    for key, record in mine.items():
        suite, best = record.suite, found.get(record.suite)
        if key in theirs and (best is None or len(record.ratio) >= len(best.one)):
            found[suite] = Played(suite, record.ratio, theirs[key].ratio, record.units)
    return list(found.values())


@dataclass(frozen=True)
class _Record:
    """A run's days of a suite in one evaluation."""

    suite: str
    digest: str
    units: NDArray[np.int64]
    ratio: NDArray[np.float64]

    @property
    def key(self) -> tuple[str, str]:
        return self.suite, self.digest


def _records(run: RunInfo) -> Iterator[_Record]:
    """What all evaluations and ablations have of a run's own policy, the latest last."""
    evaluations = [*finished_runs("evaluate"), *finished_runs("ablation")]
    for evaluation in sorted(evaluations, key=lambda found: found.ended or 0):
        if run.run_id not in evaluation.tags.get("source_run", run.run_id).split(","):
            continue  # an ablation does not say by a tag what it played
        if (evaluation.ended or 0) < (run.ended or 0) and evaluation.tags.get("source_run") is not None:
            continue  # of before the run was resumed: its policy then
        for stored in _days_of(evaluation):
            ratio = next((stored["ratio"][row] for row, of in stored["runs"].items() if of == run.run_id), None)
            if ratio is not None:
                units = np.array(stored["units"], np.int64)
                yield _Record(stored["suite"], stored["days"], units, np.array(ratio, np.float64))


def _days_of(evaluation: RunInfo) -> Iterator[dict[str, Any]]:
    """What an evaluation kept day by day; nothing where it is of before that was kept."""
    with TemporaryDirectory() as into:
        try:
            folder = download(evaluation.run_id, DAYS, Path(into))
        except RunNotFound:
            return
        for file in sorted(folder.glob("*.json")):
            yield json.loads(file.read_text())
