"""`bidpilot export`: a run, or a registered model, becomes a policy bundle."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidBundle
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.names import CHOICE, CHOICE_WHY
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.registry import Told, fetch, find_version, is_model_uri, register
from bidpilot.training.export.write import check_bundle, write_bundle
from bidpilot.training.tracking import download, find_run, latest_finished_run, open_run
from bidpilot.training.tracking.story import NOTE, PARENT, named_run

LATEST = "latest"


def run(config: ExportConfig) -> None:
    """Write the bundle, check it as a server would, and register it.

    Raises:
        RunNotFound: no such run or model.
        InvalidBundle, BundleMismatch: the bundle cannot be written there, or does not answer as the agent does.
    """
    console = Console()
    bundle = _from_registry(config) if is_model_uri(config.run) else _from_run(config, console)
    manifest = bundle.manifest
    console.print(f"bundle {manifest.name} ({manifest.agent.name}, run {manifest.origin.run_id}) in {config.out}")
    console.print(f"serve it: bidpilot serve {config.out}", soft_wrap=True)


def _from_registry(config: ExportConfig) -> Bundle:
    version = find_version(config.run)
    with tempfile.TemporaryDirectory() as folder:
        source = fetch(version, Path(folder))
        check_bundle(source)
        if config.out.exists() and (config.out.is_file() or any(config.out.iterdir())):
            check = config.out / "manifest.json"
            if not check.is_file():
                raise InvalidBundle(f"{config.out} exists and is no policy bundle; it was left alone. Name a new one.")
            shutil.rmtree(config.out)
        shutil.copytree(source, config.out, dirs_exist_ok=True)
    return check_bundle(config.out)


def _from_run(config: ExportConfig, console: Console) -> Bundle:
    info = latest_finished_run("train", experiment=config.experiment) if config.run == LATEST else find_run(config.run)
    with tempfile.TemporaryDirectory() as folder:
        files = download(info.run_id, "policy", Path(folder))
        bundle = write_bundle(config.out, files, info, config.agent, config.name)
    chosen = info.tags.get(CHOICE)
    if config.agent is None and chosen is not None:
        console.print(f"{chosen} is the run's own choice: {info.tags[CHOICE_WHY]}", soft_wrap=True)
    if config.register_model:
        agent = bundle.manifest.agent.name
        told = Told.of(bundle, info)
        tags = {"source_run": info.run_id, "agent": agent, PARENT: info.run_id, NOTE: told.description}
        name, params = f"export {named_run(agent, [info.run_id])}", changed(config)
        with open_run(config.experiment, name, params, tags, kind="export", config=config) as tracked:
            version = register(tracked, config.out, bundle, config.name, told)
        console.print(f"registered as models:/{version.name}/{version.version}, alias challenger")
    return bundle
