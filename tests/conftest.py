"""What tests of several folders use: a small forecast that is known in closed form, and the wheel of this checkout.

And their order: the long first.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.checkout import ROOMS

# The time of an example says how busy the machine is, and nothing of the code.
settings.register_profile("bidpilot", deadline=None)
settings.load_profile("bidpilot")

_FIRST = ("loop", "long")  # markers


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name a test by how many they are: gzip puts the second of its making into them, and two workers differ."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: the last to begin would leave all workers but its own idle."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in _FIRST))


def pytest_collection_finish() -> None:
    """Libraries and tests stay: what looks for garbage need not go through them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def even() -> Forecast:
    """Days that never vary: 4 slots of 100 auctions of price 1, ..., 100 hundredths, value 1 in each KPI."""
    size = 100
    return Forecast(
        landscape=BidLandscape(
            price=np.arange(1, size + 1) / size,
            value=np.ones((size, 3)),
            segment=np.zeros(size, np.int16),
            weight=np.full(size, 1 / size),
        ),
        auctions=np.full(4, 100.0),
        price_curve=np.ones(4),
        history=np.ones((3, 4, 5)),
        observed=np.ones((3, 4), np.bool_),
        level_slots=2,
        segments=("feed/head", "feed/tail"),
    )


ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (*ROOMS, "bidpilot", "docs", "examples", "tests")
FILES = (".gitignore", "LICENSE", "README.md", "pyproject.toml", "setup.py")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of what this checkout holds, committed here or not; nothing is built in the checkout itself."""
    folder = tmp_path_factory.mktemp("repository")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "as it is"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip makes of that repository's address."""
    return build_wheel(f"git+{repository.as_uri()}", tmp_path_factory.mktemp("wheel"))


def build_wheel(source: str, folder: Path) -> Path:
    """The one wheel that pip makes of `source` into `folder`, by the setuptools that are installed."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*pip, str(folder), source], check=True)
    (built,) = folder.glob("*.whl")
    return built
