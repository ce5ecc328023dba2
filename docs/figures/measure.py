"""Runs the commands of a measurement and keeps their rows.

A command that has ended well is not run again while the code stays as it is: what it printed is kept in
`mlruns/figures/`, so that the trainings of several measurements are made once, and a run that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bidpilot.training.tracking.provenance import provenance
from docs.figures.catalogue import Measurement
from docs.figures.record import Record, Row, Step

ROOT = Path(__file__).resolve().parents[2]
CODE = ("agents", "bidding", "envs", "serving", "solvers", "training", "benchmarks", "examples", "docs")
"""Folders whose programs and settings decide what is measured; of docs the scripts alone."""
_RUN = re.compile(r"^run ([0-9a-f]{32}): ", re.MULTILINE)
_DIGITS = 6

Shell = Callable[[str], str]
"""Runs a command line and returns what it printed."""


@dataclass(frozen=True)
class Ground:
    """Where commands run and what they may read."""

    data: Path  # recorded data
    work: Path  # what commands printed, and logs; a folder for this code alone
    code: str  # digest of the code
    shell: Shell

    @classmethod
    def here(cls, data: Path) -> Ground:
        """This checkout."""
        code = code_digest(ROOT)
        return cls(data, ROOT / "mlruns" / "figures" / code[:12], code, shell)


def code_digest(root: Path) -> str:
    """Digest of everything that decides what is measured."""
    files = [root / "constraints.txt"]
    for folder in CODE:
        depth = "*" if folder == "docs" else "**/*"
        files += [path for kind in ("py", "json", "yaml") for path in sorted((root / folder).glob(f"{depth}.{kind}"))]
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return whole.hexdigest()


def shell(command: str) -> str:
    """Run a command line in the project's root and environment; print and return its standard output."""
    folders = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": folders, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    printed = []
    with subprocess.Popen(
        ["bash", "-c", command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            printed.append(line)
    if running.returncode:
        raise SystemExit(
            f"`{command}` ended with status {running.returncode}; mend that and start again, which goes on"
        )
    return "".join(printed)


def is_current(record: Record, measurement: Measurement, code: str) -> bool:
    """Whether the record is what the measurement would give now, on the same machine."""
    return record.made.get("code") == code and [s.command for s in record.steps] == list(
        map(typed, measurement.commands)
    )


def typed(command: str) -> str:
    """The command as a reader types it."""
    return command.format(runs="RUN,RUN,RUN", run=["RUN"] * 99, data="DATA", logs="logs", json="rows.json")


def measure(measurement: Measurement, ground: Ground) -> Record:
    """Run the commands that were not run on this code yet, and keep the rows of all."""
    runs: list[str] = []
    steps = []
    for command in measurement.commands:
        done = _done(command, runs, ground)
        if command.startswith("bidpilot train"):
            found = _RUN.findall(done["printed"])
            if len(found) != 1:
                raise SystemExit(f"`{command}` named {len(found)} runs, not one: mend how measure.py reads its output")
            runs += found
        kept = [_small(row, measurement) for row in _rows(_without_ids(done["kept"], runs)) if measurement.keeps(row)]
        steps.append(Step(typed(command), done["seconds"], kept))
    return Record(_made(measurement, ground, runs), steps)


def _done(command: str, runs: list[str], ground: Ground) -> dict[str, Any]:
    """What a command printed, its rows as text and its seconds; run where it was not."""
    ground.work.mkdir(parents=True, exist_ok=True)
    rows = ground.work / "rows.json"
    line = command.format(runs=",".join(runs), run=runs, data=ground.data, logs=ground.work / "logs", json=rows)
    memory = ground.work / f"{hashlib.sha256(line.encode()).hexdigest()[:16]}.json"
    if memory.exists():
        done: dict[str, Any] = json.loads(memory.read_text())
        return done
    print(f"$ {line}", flush=True)
    rows.unlink(missing_ok=True)
    start = time.perf_counter()
    printed = ground.shell(line)
    seconds = round(time.perf_counter() - start, 1)
    kept = rows.read_text() if "{json}" in command else _json_lines(printed)
    done = {"command": line, "seconds": seconds, "printed": printed, "kept": kept}
    memory.write_text(json.dumps(done, indent=1))
    return done


def _json_lines(printed: str) -> str:
    return f"[{','.join(line for line in printed.splitlines() if line.startswith('{'))}]"


def _without_ids(text: str, runs: Iterable[str]) -> str:
    for place, run in enumerate(runs):
        text = text.replace(run, str(place))
    return text


def _rows(text: str) -> list[Row]:
    """The rows of a JSON file: a list of them, or lists by name."""
    content = json.loads(text)
    if isinstance(content, dict):
        return [row for rows in content.values() for row in rows]
    return list(content)


def _small(row: Row, measurement: Measurement) -> Row:
    """The row with numbers of six digits, without what is dropped."""
    return {name: _short(value) for name, value in row.items() if name not in measurement.drops}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _made(measurement: Measurement, ground: Ground, runs: list[str]) -> Row:
    tags = {name: value for name, value in provenance().items() if not name.startswith("mlflow.")}
    made: Row = {"code": ground.code, "date": datetime.now(UTC).date().isoformat(), "machine": machine(), **tags}
    if runs:
        made["runs"] = runs
    if measurement.recorded:
        made["data"] = _digests(measurement, ground.data)
    return made


def machine() -> str:
    """Cores and processor."""
    cpu = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", cpu.read_text(), re.MULTILINE) if cpu.exists() else []
    return f"{os.cpu_count()} cores, {names[0] if names else platform.processor() or platform.machine()}"


def _digests(measurement: Measurement, data: Path) -> dict[str, str]:
    """The first digits of SHA-256 of each recorded file that the commands name."""
    words = [word for command in measurement.commands for word in shlex.split(command) if word.startswith("{data}/")]
    files = sorted(path for word in words for path in data.glob(word.removeprefix("{data}/")))
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}
