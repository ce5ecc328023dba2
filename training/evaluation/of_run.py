"""The agents of a training run: its policy, and the controllers under its forecast; and which of them it chose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bidpilot.agents.acting.agent import ControllerAgent, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import tuned_gains
from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import InvalidConfig, PolicyMismatch, RunNotFound
from bidpilot.training.evaluation.names import CHOICE
from bidpilot.training.tracking import RunInfo, download


def choice_of(run: RunInfo, described: Mapping[str, Any]) -> str:
    """Who is exported by default: whom the run's verdict chose, or the learner of its policy where there was none.

    Args:
        run: the run.
        described: what its `policy.json` holds.
    """
    return str(run.tags.get(CHOICE) or learner_of(described))


def unplayable(run: RunInfo, segments: int | None = None) -> str:
    """Why this version cannot play a run's policy, on a market of so many segments where it is given; empty where it
    can."""
    try:
        with TemporaryDirectory() as folder:
            policy = NetworkPolicy.load(download(run.run_id, "policy/policy.npz", Path(folder)))
        policy.check(policy.segments if segments is None else segments)
    except (RunNotFound, PolicyMismatch) as error:
        return str(error)
    return ""


def agent_of_run(
    name: str, folder: Path, described: Mapping[str, Any], row: str | None = None
) -> NetworkPolicy | ControllerAgent:
    """The agent of this name in a run.

    Args:
        name: of a controller, or of the learner of the run's policy.
        folder: the run's artifacts `policy/`.
        described: what its `policy.json` holds.
        row: what the agent is compared under; where None, a controller's own name, and `policy` for a policy.

    Raises:
        InvalidConfig: no such agent.
    """
    if name in CONTROLLERS:
        return controller_agent(name, tuned_gains(_tuned_as(described)).get(name), row)
    own = learner_of(described)
    if name != own:
        raise InvalidConfig(f"no agent is called {name!r} in this run. Use {own}, or {', '.join(CONTROLLERS)}.")
    file = folder / "policy.npz"
    return NetworkPolicy.load(file) if row is None else NetworkPolicy.load(file, row)


def _tuned_as(described: Mapping[str, Any]) -> str:
    """`Setting.tuned_as` of the training; a run that does not say what its market was fitted to has no gains."""
    fitted = described.get("fitted_to")
    return str(described["log_digest"] or (f"fitted:{fitted}" if fitted else described["setting"]))
