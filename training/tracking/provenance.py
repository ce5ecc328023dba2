"""Where a run came from: commit, package versions, machine."""

from __future__ import annotations

import getpass
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bidpilot import __version__

# Packages whose version can change a run's numbers or the reading of its files.
_PACKAGES = (
    "cvxpy",
    "gymnasium",
    "highspy",
    "mlflow",
    "numba",
    "numpy",
    "onnx",
    "onnxruntime",
    "polars",
    "pyarrow",
    "pydantic",
    "scipy",
    "stable-baselines3",
    "torch",
)
_OURS = ("bidpilot", "__main__.py")  # the program as it is installed, and as `python -m bidpilot`
_COMMAND_LENGTH = 500
_SOURCE = Path(__file__).resolve().parents[2]


def provenance() -> dict[str, str]:
    """Tags that say which code, libraries and machine made a run.

    Keys: `git.commit` and `git.dirty` (only where the source lies in its own git repository), the three
    tags that MLflow's run list shows as source, version and user, `command` as it was typed, `python`, `platform`,
    `cpu_count`, and `version.PACKAGE` for each installed package that matters.
    """
    tags = {
        "mlflow.source.name": _command(),
        "command": shlex.join([_program(), *sys.argv[1:]])[:_COMMAND_LENGTH],
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": str(os.cpu_count() or 0),
        "version.bidpilot": __version__,
    }
    commit = git_commit(_SOURCE)
    if commit is not None:
        tags["git.commit"], dirty = commit
        tags["git.dirty"] = str(dirty).lower()
        tags["mlflow.source.git.commit"] = tags["git.commit"]
    for package in _PACKAGES:
        try:
            tags[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    return tags


def _program() -> str:
    """What runs, by the name that is typed."""
    name = Path(sys.argv[0]).name
    return "bidpilot" if name in _OURS else name


def _command() -> str:
    """What the UI shows as source: the program and its command; of what has a slash it would show the end alone."""
    typed = [_program(), *(sys.argv[1:2] if _program() == "bidpilot" else ())]
    return " ".join(part.rpartition("/")[2] for part in typed)


def git_commit(folder: Path) -> tuple[str, bool] | None:
    """The commit checked out in the repository whose root is `folder`, and whether files differ from it.

    None where `folder` is no repository's root: an installed package inside somebody else's repository
    must not report that repository's commit.
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if root is None or commit is None or status is None or Path(root).resolve() != folder.resolve():
        return None
    return commit, bool(status)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no repository: the run is still worth keeping
    return done.stdout.strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"  # a container without an entry for its user id
