"""Trainings side by side: each a run of the parent's store, whoever trained it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import run_jobs
from bidpilot.training.tracking.parcel import Parcel, end_dead, packed, unpacked
from bidpilot.training.tracking.store import Store, current_store, in_store
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import run as train
from bidpilot.training.train.told import describe

_JOB: Final = "job"
"""The tag by which a run is found again whose worker has ended."""


@dataclass(frozen=True)
class Training:
    """One training to do."""

    config: TrainConfig
    kind: str = "train"  # the run's tag `kind`
    tags: Mapping[str, str] | None = None  # further ones


def trained(trainings: Sequence[Training], backend: Backend) -> Iterator[tuple[int, str]]:
    """Each training's place and the id of its run, as they end; each has a worker of its own.

    A worker keeps its run in a store of its own, which the parent takes over once it has ended, so that no store is
    shared and none has runs of workers that were killed. Where a server keeps the parent's store, workers write to it
    as they train, and the parent ends what a killed one leaves running.

    Raises:
        JobLost, RayUnavailable: as `run_jobs` says; and what a training raises, which ends all.
    """
    store, call = current_store(), uuid.uuid4().hex
    direct = backend.here or store.served
    marked = [
        Training(t.config, t.kind, {**(t.tags or {}), **({_JOB: f"{call}/{place}"} if direct else {})})
        for place, t in enumerate(trainings)
    ]

    def lost(place: int) -> None:
        if direct:
            end_dead({_JOB: f"{call}/{place}"}, store)

    done = run_jobs(marked, _Trains(store if direct else None), backend, lost=lost, afresh=True)
    for place, made in done:
        if isinstance(made, Parcel):
            run = unpacked(made, trainings[place].config.experiment)
            describe(run)  # which names the run, by another id where it was trained
            made = run.run_id
        yield place, made


@dataclass(frozen=True)
class _Trains:
    """Does one training."""

    store: Store | None  # to write to; None: one of the worker's own

    def __call__(self, training: Training) -> str | Parcel:
        if self.store is not None:
            with in_store(self.store):
                return train(training.config, training.kind, training.tags)
        with tempfile.TemporaryDirectory() as folder, in_store(Store.local(Path(folder))) as store:
            return packed(train(training.config, training.kind, training.tags), store)
