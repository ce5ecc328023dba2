"""A log imported in parts: a job for each file, a folder for each part, which are read as one log."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from bidpilot.bidding.errors import InvalidConfig, LogExists
from bidpilot.envs.logs.assembly import BUDGETS_NOTE
from bidpilot.envs.logs.files import find_files
from bidpilot.envs.logs.filling import RATED_NOTE
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import ImportSummary, run_import
from bidpilot.envs.logs.manifest import MANIFEST_FILE, read_manifest
from bidpilot.envs.logs.shards import SHARDS_FILE, Shards
from bidpilot.envs.logs.storage import (
    AUCTIONS_FILE,
    HASHED_FILE,
    MAPPED_FOLDER,
    SET_ASIDE_FILE,
    check_folder,
    load_log,
)
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.jobs.run import run_jobs
from bidpilot.training.report.progress import steps

_FORMATS: Final = ("auctionnet", "mapping")


@dataclass(frozen=True)
class Imports:
    """Imports one file as a part."""

    format: str
    name: str
    options: ImportOptions
    force: bool

    def __call__(self, job: tuple[Path, Path]) -> ImportSummary:
        """What the import of a file into a folder did."""
        file, folder = job
        if folder.is_dir() and not (folder / MANIFEST_FILE).is_file():
            shutil.rmtree(folder)  # a worker was killed while it wrote it
        return run_import(self.format, [file], folder, name=self.name, options=self.options, force=self.force)


def import_parts(config: ImportConfig, options: ImportOptions, console: Console) -> None:
    """Import every file as a part of one log, and print what came of each.

    Raises:
        InvalidConfig: what is asked for is made of the whole log, which a part does not know.
        LogExists, NotALog: something else is in the folder.
        InvalidLog: the parts are no one log; and what `run_import` raises.
    """
    _check(config)
    files, out = find_files(config.files), config.out
    if (out / MANIFEST_FILE).is_file() and not config.force:
        raise LogExists(f"{out} holds a log in one piece already. Name another folder, or replace it with --force.")
    if not _begun(out):
        check_folder(out)
    if config.force:
        _remove(out)
    out.mkdir(parents=True, exist_ok=True)
    name = config.name or out.resolve().name
    parts = [f"part-{place:05}-{path.name.split('.')[0]}" for place, path in enumerate(files)]
    jobs = [(path.resolve(), (out / part).resolve()) for path, part in zip(files, parts, strict=True)]
    missing = [job for job in jobs if not (job[1] / MANIFEST_FILE).is_file()]
    if len(missing) < len(jobs):
        console.print(f"{len(jobs) - len(missing)} of {len(jobs)} parts are there already")
    with steps(console, len(missing)) as step:
        for place, summary in run_jobs(missing, Imports(config.format, name, options, config.force), config.spread()):
            step(f"imported {missing[place][0].name}")
            console.print("\n".join(summary.lines()), soft_wrap=True)
    _check_parts(config, parts)
    Shards(name=name, parts=tuple(parts)).save(out)
    log = load_log(out, memory_map=None)
    told = f"{len(parts)} parts, {log.n_days} days, {log.n:,} auctions, digest {log.digest}"
    console.print(f"log {name!r} in {out}: {told}", soft_wrap=True)


def _check(config: ImportConfig) -> None:
    made_of_all = {
        "--prices-from": config.prices_from is not None,
        "--interactions-from": config.interactions_from is not None,
        "--lost draw": config.lost == "draw",
    }
    asked = [option for option, given in made_of_all.items() if given]
    if config.format not in _FORMATS or asked:
        what = asked[0] if asked else config.format
        raise InvalidConfig(
            f"{what} needs the whole log, of which a part knows its own days alone: import {' and '.join(_FORMATS)} "
            "files in --parts, without what is drawn."
        )


def _remove(out: Path) -> None:
    """Remove a log from a folder, in one piece or in parts, and nothing else."""
    for part in out.glob(f"part-*/{MANIFEST_FILE}"):
        shutil.rmtree(part.parent)
    shutil.rmtree(out / MAPPED_FOLDER, ignore_errors=True)
    for file in (MANIFEST_FILE, AUCTIONS_FILE, SET_ASIDE_FILE, HASHED_FILE, SHARDS_FILE):
        (out / file).unlink(missing_ok=True)


def _begun(out: Path) -> bool:
    """Whether an import in parts has been here, finished or not."""
    return (out / SHARDS_FILE).is_file() or any(out.glob(f"part-*/{MANIFEST_FILE}"))


def _check_parts(config: ImportConfig, parts: Sequence[str]) -> None:
    out = config.out
    for part in parts:
        if not (out / part / MANIFEST_FILE).is_file():
            raise InvalidConfig(f"{out / part} is not there: parts need a folder that all workers and this one share.")
        for note in read_manifest(out / part).notes:
            if config.budget is None and note.startswith(BUDGETS_NOTE):
                raise InvalidConfig(
                    f"{part}: {note}. A part knows its own days alone: give --budget, or import without --parts."
                )
            if note.endswith(RATED_NOTE):
                raise InvalidConfig(f"{part}: {note}. A part knows its own days alone: import without --parts.")
