"""Jobs on a cluster of two nodes on this machine, which share no working folder; rows as of the local backend."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.rows import agent_rows, pair_rows
from bidpilot.training.evaluation.spread import made, play_suite, played_by_workers
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.on_ray import _ON_LOOPBACK
from bidpilot.training.jobs.run import run_jobs
from tests.training.jobs.works import Counting, Dying, Slow, divide, folder_of, refuse_odd

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="bidpilot[ray] is not installed")

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("BIDPILOT_JOB_KILLS", "2"))
ON_RAY = Backend("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes of one CPU each, on loopback and without dashboard; the parent works in a third folder."""
    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 10**8}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # where workers find the works of these tests
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv(*_ON_LOOPBACK)
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray
        from ray.cluster_utils import Cluster

        made = None
        for name in ("first", "second"):
            patch.chdir(tmp_path_factory.mktemp(name))
            if made is None:
                made = Cluster(initialize_head=True, head_node_args=node)
            else:
                made.add_node(**node)
        assert made is not None
        patch.chdir(tmp_path_factory.mktemp("parent"))
        ray.init(address=made.address, log_to_driver=False)
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def test_nodes_work_in_folders_of_their_own() -> None:
    folders = {folder for _, folder in run_jobs([0.5] * 4, folder_of, ON_RAY)}
    assert len(folders) == 2
    assert str(Path.cwd()) not in folders


def test_an_actor_keeps_the_work_and_what_a_job_raises_is_raised() -> None:
    found = [done for _, (done, _) in run_jobs(range(4), Counting(), Backend("ray", workers=1))]
    assert found == [1, 2, 3, 4]
    with pytest.raises(InvalidConfig, match=r"^1 is odd$"):
        list(run_jobs([0, 1, 2], refuse_odd, ON_RAY))
    with pytest.raises(ZeroDivisionError):
        list(run_jobs([1, 0], divide, ON_RAY))


def test_a_job_whose_worker_dies_is_begun_again_and_the_parent_is_told(tmp_path: Path) -> None:
    lost: list[int] = []
    found = sorted(run_jobs(range(4), Dying(tmp_path, (2,)), ON_RAY, lost=lost.append))
    assert found == [(k, k * k) for k in range(4)]
    assert lost == [2]


def test_workers_killed_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    rng, over = random.Random(os.getpid()), threading.Event()

    def kill() -> None:
        for _ in range(KILLS):
            while not (marks := list(tmp_path.iterdir())) and not over.wait(0.05):
                pass
            if over.wait(rng.uniform(0.0, 0.4)):
                return
            mark = rng.choice(marks)
            mark.unlink(missing_ok=True)
            with suppress(ProcessLookupError):
                os.kill(int(mark.name), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    jobs = range(4 + 2 * KILLS)
    found = sorted(run_jobs(jobs, Slow(tmp_path, 0.2), ON_RAY))
    over.set()
    killer.join()
    assert found == [(k, k * k) for k in jobs]


def test_suites_have_the_rows_of_the_local_backend() -> None:
    """Bit for bit, though nodes share no folder: suites are made where they are played, policies are sent."""
    config = EvaluateConfig(suites=("steady",), days=4)
    everyone = (Contestant("mpc"), Contestant("mpc_informed"), Contestant("plan"))
    (record,) = (SUITES[name] for name in config.suites)
    here = play_suite(made(record, config), everyone, config, str)
    (there,) = played_by_workers(config, [record], everyone, Backend("ray", 2), str)
    assert [*agent_rows(there, there.outcomes, {}, 0), *pair_rows(there, there.outcomes, 0)] == [
        *agent_rows(here, here.outcomes, {}, 0),
        *pair_rows(here, here.outcomes, 0),
    ]
