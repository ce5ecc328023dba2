"""Writes a bundle from a run's files, and holds what it wrote against the agent that was trained."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bidpilot.agents.acting.agent import AgentDay, ControllerAgent
from bidpilot.agents.acting.from_bundle import agent_of, initial_state
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.bundle import (
    BANDS_FILE,
    FORECAST_FILE,
    NETWORK_FILE,
    ONNX_FILE,
    PARITY,
    SCHEMA_VERSION,
    AgentEntry,
    Bundle,
    ControllerEntry,
    Golden,
    Manifest,
    Origin,
    action_meaning,
    feature_entries,
    load_bundle,
    plan_entry,
    write_golden,
    write_manifest,
)
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.features import observation_of
from bidpilot.bidding.errors import BundleMismatch
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.watch.bands import Bands
from bidpilot.training.evaluation.names import CHOICE, CHOICE_WHY
from bidpilot.training.evaluation.of_run import agent_of_run
from bidpilot.training.export.onnx_file import onnx_difference, write_onnx
from bidpilot.training.export.out import empty
from bidpilot.training.tracking import RunInfo

_GOLDEN_SEED = 0


def write_bundle(
    out: Path, policy_folder: Path, run: RunInfo, agent_name: str, name: str, bands: Bands | None = None
) -> Bundle:
    """Write the bundle of a run's policy, or of a controller under the run's forecast, into folder `out`.

    Args:
        out: new, empty, or an older bundle, which is replaced.
        policy_folder: the run's artifacts `policy/`.
        run: the run.
        agent_name: a controller's name, or that of the learner of the run's policy.
        name: name of the bundle.
        bands: that its days are watched by, or None.

    Raises:
        InvalidBundle: `out` holds other things.
        InvalidConfig: no such agent.
        BundleMismatch: what was written answers otherwise than the agent, in NumPy or in ONNX.
    """
    empty(out)
    described = json.loads((policy_folder / "policy.json").read_text())
    forecast = Forecast.load(policy_folder / "forecast.npz")
    campaign = Campaign.model_validate(described["campaign"])
    shutil.copyfile(policy_folder / "forecast.npz", out / FORECAST_FILE)
    agent = agent_of_run(agent_name, policy_folder, described)
    if isinstance(agent, NetworkPolicy):
        np.savez(out / NETWORK_FILE, **agent.arrays())  # type: ignore[arg-type]
        write_onnx(agent, out / ONNX_FILE, forecast.segments, run.run_id)
    if bands is not None:
        bands.save(out / BANDS_FILE)
    write_golden(out, golden_day(agent, len(forecast.segments), forecast.slots))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        features=feature_entries(agent.reads(len(forecast.segments)), len(forecast.segments)),
        action=action_meaning(forecast.segments),
        segments=forecast.segments,
        slots=forecast.slots,
        campaign=campaign,
        plan=plan_entry(forecast, campaign),
        agent=_entry(agent, agent_name),
        initial_state=initial_state(agent),
        origin=_origin(run, described),
        checksums={},
    )
    write_manifest(out, manifest)
    return check_bundle(out)


def check_bundle(folder: Path) -> Bundle:
    """Load a bundle as a server would, and hold its ONNX file against the policy in NumPy.

    Raises:
        InvalidBundle, BundleMismatch: it cannot be served.
    """
    bundle = load_bundle(folder)
    agent = agent_of(bundle)
    if isinstance(agent, NetworkPolicy):
        difference = onnx_difference(folder / ONNX_FILE, agent, bundle.observation(bundle.golden.observations))
        if not difference <= PARITY:
            raise BundleMismatch(f"{folder / ONNX_FILE} differs from the policy by {difference:.2g}. Export it again.")
    return bundle


def golden_day(agent: NetworkPolicy | ControllerAgent, segments: int, slots: int) -> Golden:
    """A day of what the agent reads, over the features' ranges, in and at their ends, and the agent's answers."""
    generator = np.random.default_rng(_GOLDEN_SEED)
    names = agent.reads(segments)
    features = feature_entries(names, segments)
    low, high = (np.array([getattr(f, end) for f in features], np.float32) for end in ("low", "high"))
    seen = generator.uniform(low, high, (slots, len(features))).astype(np.float32)
    seen[1::7], seen[2::7] = low, high
    day = AgentDay(agent, 1, segments)
    whole = observation_of(seen, names, segments)
    return Golden(seen, np.concatenate([day.act(row[None]) for row in whole]).astype(np.float64))


def _entry(agent: NetworkPolicy | ControllerAgent, name: str) -> AgentEntry:
    """What a manifest says of an agent."""
    if isinstance(agent, ControllerAgent):
        return AgentEntry(name=name, kind="controller", controller=_controller(agent))
    if agent.residual is None:
        return AgentEntry(name=name, kind="network", controller=None)
    base = _controller(agent.residual.base)
    return AgentEntry(name=name, kind="network", controller=base, reach=agent.residual.reach)


def _controller(agent: ControllerAgent) -> ControllerEntry:
    return ControllerEntry(name=agent.controller.name, parameters=dict(agent.gains))


def _origin(run: RunInfo, described: dict[str, Any]) -> Origin:
    kept = ("git.commit", "git.dirty", "python", CHOICE, CHOICE_WHY)
    tags = {k: v for k, v in run.tags.items() if k in kept or k.startswith("version.")}
    return Origin(
        run_id=run.run_id,
        setting=str(described["setting"]),
        market_digest=str(described["market_digest"]),
        targets=described.get("targets"),
        publishers=described["log_digest"] is not None,
        timezone=described.get("timezone"),
        day_starts=described.get("day_starts", 0),
        metrics=dict(run.metrics),
        tags=tags,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
