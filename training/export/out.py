"""The folder that a bundle is written to, and what it may replace there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bidpilot.bidding.bundle import MANIFEST_FILE
from bidpilot.bidding.errors import BundleExists, InvalidBundle


def check_free(out: Path, run_id: str, force: bool) -> None:
    """Refuse to write over what is no bundle, or over the bundle of another run than `run_id` unless `force`.

    Raises:
        InvalidBundle: `out` holds other things.
        BundleExists: it holds the bundle of another run.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST_FILE).is_file()):
        raise InvalidBundle(f"{out} exists and is no policy bundle; it was left alone. Name an empty or new folder.")
    if force or not (out / MANIFEST_FILE).is_file():
        return
    there = _run_of(out)
    if there != run_id:
        raise BundleExists(
            f"{out} holds the bundle of {'a run that it does not name' if there is None else f'run {there[:8]}'}; it "
            "was left alone. Replace it with --force, or name another folder with --out."
        )


def empty(out: Path) -> None:
    """Make the folder, and take the files of an older bundle away."""
    if out.is_dir():
        for file in out.iterdir():
            if file.is_file():
                file.unlink()
    out.mkdir(parents=True, exist_ok=True)


def copy_bundle(source: Path, out: Path) -> None:
    """Copy the files of one bundle in place of another's."""
    empty(out)
    shutil.copytree(source, out, dirs_exist_ok=True)


def _run_of(folder: Path) -> str | None:
    """The run that a bundle is of, whatever version wrote it; None where it does not say."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return str(manifest["origin"]["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
