"""Agents from Python: called after their run, and found, marked and refused as the command does."""

from __future__ import annotations

from pathlib import Path

import pytest

import bidpilot
from bidpilot.bidding.errors import UnknownLaw
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.tracking import current_store
from tests.training.small_logs import idle_run, small_log

pytestmark = pytest.mark.usefixtures("project")


def idle(log: Path | None = None, learner: str = "ppo", **tags: str) -> str:
    """A run that was trained, with these tags changed."""
    run = idle_run(log, learner=learner)
    client = current_store().client()
    for name, value in tags.items():
        client.set_tag(run, name, value)
    return run


def test_a_loaded_agent_is_called_after_itself_and_its_run_and_plays_beside_its_namesake() -> None:
    one, other = idle(), idle(choice="mpc")
    loaded = [bidpilot.load_policy(one), bidpilot.load_policy(other), bidpilot.load_policy(other, "ppo", "mine")]
    names = [f"ppo@{one[:8]}", f"mpc@{other[:8]}", "mine"]
    assert [agent.name for agent in loaded] == names
    found = bidpilot.evaluate(["mpc", *loaded], suites=["steady"], days=2)
    assert list(found.ratios["steady"]) == ["mpc_informed", "mpc", *names]
    assert [row["run"] for row in found.agents] == [None] * 5


def test_a_learners_name_is_its_run_on_the_suites_own_preset() -> None:
    own = idle()
    idle(setting="daily")  # later
    found = bidpilot.evaluate(["ppo"], suites=["steady"], days=2)
    assert {row["agent"]: row["run"] for row in found.agents}[f"ppo@{own}"] == own


def test_a_log_is_played_under_the_forecast_of_the_learner_that_is_named(tmp_path: Path) -> None:
    save_log(small_log("train", "conversion"), tmp_path / "train")
    own = idle(tmp_path / "train")
    idle(tmp_path / "train", learner="recurrent_ppo")  # later
    later = small_log("unseen", "conversion", units=2, first=6)
    found = bidpilot.evaluate(["ppo", bidpilot.load_policy(own)], log=later)
    assert {row["forecast_run"] for row in found.agents} == {own}
    with pytest.raises(UnknownLaw, match="unseen"):
        bidpilot.evaluate(["knowable"], log=later)
