"""Several seeds are as many trainings, in one store, whoever trains them."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.jobs import attempt
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.tracking import Store, current_store, download, find_run, open_run
from bidpilot.training.tracking.find import running
from bidpilot.training.tracking.parcel import end_dead, packed, unpacked
from bidpilot.training.tracking.store import in_store
from bidpilot.training.train import many
from bidpilot.training.train.command import TrainCommand, run
from bidpilot.training.train.many import Training

pytestmark = pytest.mark.usefixtures("project")

KILLS = int(os.environ.get("BIDPILOT_JOB_KILLS", "0"))
TINY: dict[str, Any] = {
    "market": "steady",
    "total_steps": 0,
    "rows": 16,
    "validation_days": 8,
    "verdict_days": 0,
    "randomise": False,
    "imitation": {"rounds": 1},
    "ppo": {"batch_size": 256, "net": (8, 8)},
}


def test_a_worker_trains_what_this_process_trains() -> None:
    """Parameters, metrics and weights are the same, and the run's description names the run."""
    ids = run(TrainCommand.model_validate({**TINY, "seeds": (0,), "workers": 1, "run_name": "mine"}))
    (there,) = (find_run(run_id) for run_id in ids.split(","))
    here = find_run(run(TrainCommand.model_validate(TINY)))
    assert (there.name, there.status) == ("mine s0", "FINISHED")
    assert {**there.params, "run_name": ""} == {**here.params, "run_name": ""}
    assert there.metrics == here.metrics
    assert ids in there.tags["mlflow.note.content"]
    policies = [np.load(download(i.run_id, "policy") / "policy.npz") for i in (there, here)]
    assert policies[0].files == policies[1].files
    for name in policies[0].files:
        np.testing.assert_array_equal(policies[0][name], policies[1][name])


@pytest.mark.skipif(KILLS < 20, reason="takes many minutes: BIDPILOT_JOB_KILLS=20")
@pytest.mark.parametrize("served", [False, True])
def test_many_kills_cost_no_training_and_no_run_is_left_running(served: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers killed at random moments; with `served` they write to the parent's store themselves.

    How often one job may be begun is lifted: on a slow machine kills at this rate may meet the same one five times.
    """
    monkeypatch.setattr(Store, "served", property(lambda store: served))
    monkeypatch.setattr(attempt, "ATTEMPTS", KILLS + 1)
    rng, over, killed = random.Random(os.getpid()), Event(), 0

    def kill() -> None:
        nonlocal killed
        while killed < KILLS and not over.wait(rng.uniform(1.0, 6.0)):
            children = active_children()
            for child in rng.sample(children, min(1, len(children))):
                with suppress(ProcessLookupError):
                    os.kill(child.pid or 0, signal.SIGKILL)
                    killed += 1

    killer = Thread(target=kill)
    killer.start()
    seeds = range(KILLS)
    try:
        ids = run(TrainCommand.model_validate({**TINY, "seeds": seeds, "workers": 2, "experiment": f"kills {served}"}))
    finally:
        over.set()
        killer.join()
    assert killed == KILLS
    runs = [find_run(run_id) for run_id in ids.split(",")]
    assert [r.status for r in runs] == ["FINISHED"] * len(seeds)
    assert [r.params["seed"] for r in runs] == [str(seed) for seed in seeds]
    assert running({}, store=current_store()) == []


def test_where_a_server_keeps_runs_the_parent_ends_what_a_killed_worker_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker writes to the parent's store itself; its run is told apart by the job."""
    monkeypatch.setattr(Store, "served", property(lambda store: True))
    begun: list[str] = []

    def killed_once(jobs: Sequence[Training], work: Any, backend: Backend, lost: Any, afresh: bool) -> Iterator[Any]:
        assert work.store == current_store()
        client = current_store().client()
        for place, job in enumerate(jobs):
            for _ in range(2):
                made = client.create_run(current_store().experiment_id("bidpilot"), tags=dict(job.tags or {}))
                begun.append(made.info.run_id)
                if len(begun) % 2:
                    lost(place)
            client.set_terminated(begun[-1])
            yield place, begun[-1]

    monkeypatch.setattr(many, "run_jobs", killed_once)
    trainings = [Training(TrainCommand.model_validate({**TINY, "seed": seed}).training()) for seed in (0, 1)]
    assert [run_id for _, run_id in many.trained(trainings, Backend("local", 2))] == begun[1::2]
    assert [find_run(run_id).status for run_id in begun] == ["KILLED", "FINISHED"] * 2
    assert running({}, store=current_store()) == []


def test_a_run_is_the_same_in_another_store(tmp_path: Path) -> None:
    with in_store(Store.local(tmp_path)) as store, open_run("elsewhere", "made", {"a": 1}, {"b": "2"}) as made:
        for step in range(3):
            made.log_metrics({"score": step / 3, "other": 1.0}, step)
        made.log_json([1, 2], "folder/rows.json")
        made.log_dataset("daily", "0123456789", {"seed": 0}, "training")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights.txt").write_text("1")
        made.log_model(tmp_path / "model", "made", "policy", 2)
    run_id = unpacked(packed(made.run_id, store), "bidpilot").run_id
    found, client = find_run(run_id), current_store().client()
    assert (found.name, found.status, found.params, found.tags["b"]) == ("made", "FINISHED", {"a": "1"}, "2")
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "score")] == [(k, k / 3) for k in range(3)]
    assert json.loads(download(run_id, "folder/rows.json").read_text()) == [1, 2]
    stored = client.get_run(run_id)
    assert stored.inputs is not None
    assert [i.dataset.name for i in stored.inputs.dataset_inputs] == ["daily"]
    assert stored.outputs is not None
    assert len(stored.outputs.model_outputs) == 1


def test_what_a_killed_worker_left_running_is_ended() -> None:
    client, store = current_store().client(), current_store()
    made = client.create_run(store.experiment_id("bidpilot"), tags={"job": "call/0"})
    assert end_dead({"job": "call/1"}) == []
    assert end_dead({"job": "call/0"}) == [made.info.run_id]
    assert find_run(made.info.run_id).status == "KILLED"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"workers": 2}, "one training is one job"),
        ({"seeds": (0, 1), "seed": 3}, "leave --resume and --seed out"),
        ({"seeds": (0,), "resume": "abc"}, "leave --resume and --seed out"),
        ({"seeds": (0,), "address": "auto"}, "--backend ray"),
    ],
)
def test_what_cannot_be_spread_is_refused(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidConfig, match=reason):
        run(TrainCommand.model_validate(asked))


def test_a_backend_is_this_process_unless_workers_are_asked_for() -> None:
    assert TrainCommand().spread() == Backend()
    assert TrainCommand(workers=2).spread() == Backend("local", 2)
