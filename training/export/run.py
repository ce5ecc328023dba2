"""`bidpilot export`: a run, or a registered model, becomes a policy bundle."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from rich.console import Console

from bidpilot.agents.learners.catalogue import LEARNERS, learner_of
from bidpilot.bidding.bundle import Bundle
from bidpilot.training.alerts.of_run import bands_of_run
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.names import CHOICE, CHOICE_WHY
from bidpilot.training.evaluation.of_run import choice_of, unplayable
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.out import check_free, copy_bundle
from bidpilot.training.export.registry import Told, fetch, find_version, is_model_uri, register
from bidpilot.training.export.write import check_bundle, write_bundle
from bidpilot.training.tracking import LATEST, RunInfo, download, open_run, resolve_run
from bidpilot.training.tracking.learned import latest_run_of, run_of
from bidpilot.training.tracking.story import NOTE, PARENT, named_run


def run(config: ExportConfig) -> None:
    """Write the bundle, check it as a server would, and register it.

    Raises:
        RunNotFound, AmbiguousRun: no such run or model, or several.
        BundleExists: another run's bundle is there, and nobody said that it may be replaced.
        InvalidBundle, BundleMismatch: the bundle cannot be written there, or does not answer as the agent does.
    """
    console = Console()
    bundle = _from_registry(config, console) if is_model_uri(config.run) else _from_run(config, console)
    manifest = bundle.manifest
    console.print(f"bundle {manifest.name} ({manifest.agent.name}, run {manifest.origin.run_id[:8]}) in {config.out}")
    console.print(f"serve it: bidpilot serve {config.out}", soft_wrap=True)


def _from_registry(config: ExportConfig, console: Console) -> Bundle:
    version = find_version(config.run)
    with tempfile.TemporaryDirectory() as folder:
        source = fetch(version, Path(folder))
        origin = check_bundle(source).manifest.origin
        console.print(
            f"exporting version {version.version} of {version.name}: trained by run {origin.run_id[:8]} on "
            f"{origin.setting}",
            soft_wrap=True,
        )
        check_free(config.out, origin.run_id, config.force)
        copy_bundle(source, config.out)
    return check_bundle(config.out)


def _from_run(config: ExportConfig, console: Console) -> Bundle:
    info = _source(config)
    with tempfile.TemporaryDirectory() as folder:
        files = download(info.run_id, "policy", Path(folder))
        agent = config.agent or choice_of(info, json.loads((files / "policy.json").read_text()))
        console.print(_told(info, agent, config.agent is not None), soft_wrap=True)
        check_free(config.out, info.run_id, config.force)
        bands = bands_of_run(agent, files, config.bands_days, console)
        bundle = write_bundle(config.out, files, info, agent, config.name, bands)
    if config.register_model:
        told = Told.of(bundle, info)
        tags = {"source_run": info.run_id, "agent": agent, PARENT: info.run_id, NOTE: told.description}
        name, params = f"export {named_run(agent, [info.run_id])}", changed(config)
        with open_run(config.experiment, name, params, tags, kind="export", config=config) as tracked:
            version = register(tracked, config.out, bundle, config.name, told)
        console.print(f"registered as models:/{version.name}/{version.version}, alias challenger")
    return bundle


def _source(config: ExportConfig) -> RunInfo:
    """The training that is exported: as it is named, or the last whose policy can be played."""
    learner = config.agent if config.agent in LEARNERS else None
    if config.run == LATEST:
        fits = ("whose policy this version can play", lambda run: not unplayable(run))
        return latest_run_of(learner, config.experiment, fits=fits)
    return resolve_run(config.run) if learner is None else run_of(learner, config.run)


def _told(info: RunInfo, agent: str, asked: bool) -> str:
    """What is exported: which run, what trained it on what, whom the verdict chose, and why."""
    market = info.tags.get("setting", "a market that it does not name")
    said = f"exporting {agent} of run {info.told}: {learner_of(info.tags)} trained on {market}"
    if CHOICE not in info.tags:
        return f"{said}, without a verdict"
    chosen = "the run's own choice" if not asked else f"asked for; the run's own choice is {info.tags[CHOICE]}"
    return f"{said}; {agent} is {chosen}: {info.tags[CHOICE_WHY]}"
