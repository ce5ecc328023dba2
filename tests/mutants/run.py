"""Changes the money and scoring code in one place at a time, and tells which changes no test noticed.

The project is copied first: what is edited is the copy, and the working tree may be worked on meanwhile. Each file's
tests run once as they are; a change has survived when they still pass. A change that makes them run
away counts as noticed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.mutants.catalogue import TARGETS, Target
from tests.mutants.operators import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 4.0  # times as long as the tests take unchanged ...
_GRACE = 20.0  # ... and seconds beyond


@dataclass(frozen=True)
class Change:
    """A mutant and where it belongs."""

    target: Target
    mutant: Mutant

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.target.file}:{self.mutant.line}"

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"place": self.place, "before": self.mutant.before.strip(), "after": self.mutant.after.strip()}


def copy_project(folder: Path) -> None:
    """Copy every file that git knows or would add, links as links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


class Bench:
    """Runs tests in the copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # without compiled files: two edits within a second can have one size and one time
        self._environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        used = self._python("-c", "import bidpilot.bidding.kpi as k; print(k.__file__)", limit=60.0).stdout.strip()
        if not Path(used).is_relative_to(folder):
            raise RuntimeError(f"the tests would run {used} in place of the copy in {folder}. Unset PYTHONPATH.")

    def _python(self, *arguments: str, limit: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=self._environment, timeout=limit, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def passes(self, tests: Sequence[str], limit: float) -> bool:
        """Whether all tests pass in so many seconds."""
        options = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0")
        try:
            return self._python("-m", "pytest", *options, *tests, limit=limit).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def survives(self, change: Change, limit: float) -> bool:
        """Whether no test notices a change."""
        file = self.folder / change.target.file
        kept = file.read_bytes()
        file.write_text(change.mutant.source)
        try:
            return self.passes(change.target.tests, limit)
        finally:
            file.write_bytes(kept)


def chosen(only: Sequence[str], size: int, seed: int) -> list[Change]:
    """Changes of the files whose path begins with one of `only`; `size` of them drawn by `seed`, all where it is 0."""
    targets = [t for t in TARGETS if not only or t.file.startswith(tuple(only))]
    changes = [Change(t, m) for t in targets for m in mutants((ROOT / t.file).read_text())]
    if not size or size >= len(changes):
        return changes
    drawn = np.random.default_rng(seed).choice(len(changes), size, replace=False)
    return [changes[k] for k in sorted(drawn)]


def main() -> int:
    """Run; the exit status tells only of tests that fail unchanged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=0, help="changes drawn at random; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of the files' paths")
    options = parser.parse_args()
    changes = chosen(options.only, options.size, options.seed)
    survivors: list[Change] = []
    limits: dict[tuple[str, ...], float] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        copy_project(Path(name))
        bench = Bench(Path(name).resolve())
        for done, change in enumerate(changes):
            tests = change.target.tests
            if tests not in limits:
                begin = time.monotonic()
                if not bench.passes(tests, 600.0):
                    print(f"{change.target.file}: its tests fail as they are: {' '.join(tests)}", file=sys.stderr)
                    return 1
                limits[tests] = _GRACE + _PATIENCE * (time.monotonic() - begin)
            if bench.survives(change, limits[tests]):
                survivors.append(change)
                print(f"{change.place} survives\n- {change.mutant.before}\n+ {change.mutant.after}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{done + 1} of {len(changes)}, {len(survivors)} survive", end="", file=sys.stderr)
    told = {"changes": len(changes), "survivors": [s.told() for s in survivors], "seed": options.seed}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
