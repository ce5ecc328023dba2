"""What a measurement printed, as it is kept: a file of JSON lines, small enough to be read in a review.

The first line says where it comes from; each command is a line, and its rows follow it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "measured"
POOLED = "ppo@0,1,2"
"""One policy over three trainings: in rows, a run's id is replaced by its place among the trainings."""

Row = dict[str, Any]


class NotMeasured(KeyError):
    """A measurement that has no record."""


@dataclass(frozen=True)
class Step:
    """One command, as a reader types it."""

    command: str
    seconds: float | None  # None: not known
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """A measurement as it was made."""

    made: Row  # code, commit, date, machine, versions, digests of the data; or "texts": where it was copied from
    steps: list[Step]

    @property
    def rows(self) -> list[Row]:
        """The rows of all commands."""
        return [row for step in self.steps for row in step.rows]

    def one(self, **wanted: Any) -> Row:
        """The only row with these values; a difference only where `against` is among them.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = [
            row for row in self.rows if wanted.items() <= row.items() and ("against" in row) == ("against" in wanted)
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} rows have {wanted}: measure anew, or mend the text that asks for one")
        return found[0]

    def pair(self, agent: str, against: str, suite: str) -> Row:
        """The paired difference `agent` minus `against`, whichever way round it was printed."""
        for row in self.rows:
            if (row.get("agent"), row.get("against"), row.get("suite")) == (against, agent, suite):
                turned = {"diff": -row["diff"], "diff_low": None, "diff_high": None}
                if row["diff_low"] is not None:
                    turned |= {"diff_low": -row["diff_high"], "diff_high": -row["diff_low"]}
                return row | {"agent": agent, "against": against} | turned
        return self.one(agent=agent, against=against, suite=suite)

    def suites(self) -> list[str]:
        """Suites in the order that they were played in."""
        return list(dict.fromkeys(row["suite"] for row in self.rows if "suite" in row))

    def text(self) -> str:
        """The file's content."""
        lines: list[Row] = [self.made]
        for step in self.steps:
            lines += [{"command": step.command, "seconds": step.seconds}, *step.rows]
        return "".join(json.dumps(line) + "\n" for line in lines)

    @classmethod
    def of(cls, text: str) -> Record:
        """The record of a file's content."""
        made, *lines = [json.loads(line) for line in text.splitlines()]
        steps: list[Step] = []
        for line in lines:
            if "command" in line:
                steps.append(Step(line["command"], line["seconds"]))
            else:
                steps[-1].rows.append(line)
        return cls(made, steps)


class Records(Mapping[str, Record]):
    """The records of a folder by name; `read` are those that were asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Record:
        path = self.folder / f"{name}.jsonl"
        if not path.exists():
            raise NotMeasured(name)
        self.read.add(name)
        return Record.of(path.read_text(encoding="utf-8"))

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.folder.glob("*.jsonl")))

    def __len__(self) -> int:
        return len(list(self.folder.glob("*.jsonl")))

    def keep(self, name: str, record: Record) -> None:
        """Write a record."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.jsonl").write_text(record.text(), encoding="utf-8")
