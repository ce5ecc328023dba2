"""The data inventory: what a bid server keeps, read from the code that keeps it and from what is declared of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from dataclasses import fields as fields_of

from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.serving import state
from bidpilot.serving.decision_log import Outcome, Row
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.ledger import file_sqlite, orders_sqlite, shown_sqlite
from bidpilot.serving.privacy import declared
from bidpilot.serving.privacy.audit import Line
from bidpilot.serving.privacy.declared import Field

UNDECLARED = Field("NOT DECLARED: say why in serving/privacy/declared.py")
_AGES = "--keep-days, --keep.{}"
_NEVER = "not removed by age"


@dataclass(frozen=True)
class Store:
    """One place where something is kept."""

    where: str  # files, in words
    kept: str  # how long
    encrypted: str  # what of it --key-file encrypts
    fields: tuple[str, ...]  # that are kept, by the code
    declared: Mapping[str, Field]

    def field(self, name: str) -> Field:
        """What is declared of a field."""
        return self.declared.get(name, UNDECLARED)

    @property
    def undeclared(self) -> set[str]:
        """Fields that are kept and not declared."""
        return set(self.fields) - self.declared.keys()

    @property
    def gone(self) -> set[str]:
        """Fields that are declared and not kept."""
        return self.declared.keys() - set(self.fields)


def stores() -> tuple[Store, ...]:
    """All places."""
    incidents = {name: Field(str(field.description)) for name, field in Incident.model_fields.items()}
    return (
        Store("DECISIONS/decisions-*.parquet", _AGES.format("decisions"), "whole", Row._fields, declared.DECISIONS),
        Store("DECISIONS/outcomes-*.parquet", _AGES.format("decisions"), "whole", Outcome._fields, declared.OUTCOMES),
        Store("STATE/state.sqlite", _AGES.format("state"), "texts", _columns(state.SCHEMA), declared.STATE),
        Store(
            "STATE/ledger.sqlite, or Redis",
            _NEVER,
            "no",
            _columns(file_sqlite.SCHEMA + orders_sqlite.SCHEMA + shown_sqlite.SCHEMA),
            declared.LEDGER,
        ),
        Store("STATE/sources.npz", _AGES.format("memory"), "no", _names(fields_of(SourceMemory)), declared.MEMORY),
        Store(
            "STATE/incidents/*.json, DECISIONS/incidents/*.json",
            _AGES.format("incidents"),
            "no",
            tuple(Incident.model_fields),
            incidents,
        ),
        Store("STATE/audit.jsonl", _AGES.format("audit"), "no", Line.__struct_fields__, declared.AUDIT),
        Store("standard error", "as whoever keeps the log says", "no", tuple(declared.EVENTS), declared.EVENTS),
        Store("labels of /metrics", "as whoever scrapes them says", "no", tuple(declared.METRICS), declared.METRICS),
        Store("other files of STATE and DECISIONS", _NEVER, "no", tuple(declared.FILES), declared.FILES),
    )


def of_requests() -> dict[str, str]:
    """Fields of bid requests that are kept, and as what."""
    return {
        told.request: f"{store.where} {name}"
        for store in stores()
        for name, told in store.declared.items()
        if told.request
    }


def table() -> list[str]:
    """The inventory as a table of Markdown."""
    lines = [
        "| where | what | why | from the bid request | tells of | kept | encrypted |",
        "|---|---|---|---|---|---|---|",
    ]
    for store in stores():
        for name in store.fields:
            told = store.field(name)
            cells = (store.where, name, told.why, told.request, told.personal or "nobody", store.kept, store.encrypted)
            lines.append("| " + " | ".join(re.sub(r"\s+", " ", cell) for cell in cells) + " |")
    return lines


def _names(fields: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(field.name) for field in fields)  # type: ignore[attr-defined]


def _columns(schema: str) -> tuple[str, ...]:
    """The columns of all tables that a schema makes, as `table.column`."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema)
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
        return tuple(f"{table}.{row[1]}" for table in tables for row in db.execute(f"PRAGMA table_info({table})"))
