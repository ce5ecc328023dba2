"""Decisions of eight days as a bid server logs them, small enough to be reported in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.files import write_incident
from bidpilot.serving.incidents.incident import Level, Target
from bidpilot.serving.incidents.machine import Machine, Noticed
from bidpilot.serving.incidents.policy import ResponsePolicy
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.page import page
from bidpilot.training.reporting.readers import of_decisions
from bidpilot.training.reporting.sections.catalogue import sections
from bidpilot.training.reporting.sections.section import Section

DAYS, SLOTS, REQUESTS = 16, 48, 120  # requests of a day
SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
MADE = datetime(2026, 3, 20, tzinfo=UTC)
CAMPAIGN = "<img src=x onerror=alert(1)>"  # whoever names a campaign writes no page
TOLD = {"key": pl.String, "event": pl.String, "count": pl.Int64, "value": pl.Float64, "interaction": pl.Float64,
        "conversion": pl.Float64}  # fmt: skip


def write_decisions(folder: Path, days: int = DAYS, campaign: str = CAMPAIGN, seed: int = 3) -> Path:
    """A decision log with its outcomes: every third request is won, source 5 is refused."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    told: list[tuple[Any, ...]] = []
    for day in range(days):
        for number in range(REQUESTS):
            source, key = int(rng.integers(0, 6)), f"{day}-{number}"
            result = "refused_source" if source == 5 else ("won", "lost", "below_floor")[number % 3]
            price = float(rng.uniform(0.2, 0.6))
            rows.append(
                {
                    "key": key, "campaign": campaign, "date": f"2026-03-{day + 1:02d}", "slots": SLOTS,
                    "slot": number * SLOTS // REQUESTS, "time": 1000.0 * day + number,
                    "segment": SEGMENTS[number % 4], "source": source,
                    "exposure": 0.5, "interaction": 0.25, "conversion": 0.05, "floor": 0.0, "first_price": False,
                    "bid": 0.6, "shadow_bid": None, "result": result, "cost": price if result == "won" else 0.0,
                    "market_price": price, "budget": 20.0, "conversion_value": 12.0,
                }
            )  # fmt: skip
            if result == "won":
                told.append((key, "view", 1, None, 0.0, 0.0))
                told += [(key, "like", 1, None, 1.0, 0.0)] * (number % 2)
                told += [(key, "convert", 1, 15.0, 0.0, 1.0)] * (rng.random() < 0.1)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema_overrides={"shadow_bid": pl.Float64}).write_parquet(folder / "decisions-1.parquet")
    pl.DataFrame(told, TOLD, orient="row").write_parquet(folder / "outcomes-1.parquet")
    return folder


def write_incidents(state: Path) -> Path:
    """A state folder with one incident that goes on."""
    folder = state / "incidents"
    folder.mkdir(parents=True)
    noticed = Noticed(
        Risk.tracking_outage, "c", Target(kind="source", index=5), 30, "few conversions were told",
        {"metric": "conversions", "score": 9.0, "threshold": 4.0, "explanation": "few"}, Level.none,
    )  # fmt: skip
    write_incident(folder, Machine(ResponsePolicy(), 1800.0).open(noticed, 1.7e9, "one", date(2026, 3, 1)))
    return state


@pytest.fixture(scope="session")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decisions(tmp_path_factory.mktemp("served") / "decisions")


@dataclass(frozen=True)
class Reported:
    """A report's sections and pages."""

    found: tuple[Section, ...]
    pages: dict[bool, str]  # by whether they are interactive


@pytest.fixture(scope="session")
def evidence(decisions: Path) -> Evidence:
    return of_decisions.read(ReportConfig(source=str(decisions)), lambda text: None)


@pytest.fixture(scope="session")
def reported(evidence: Evidence) -> Reported:
    found = sections(evidence)
    kinds = (False, True) if find_spec("plotly") else (False,)
    return Reported(found, {kind: page(evidence, found, MADE, kind) for kind in kinds})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, empty, with a store for all tests of a module."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        yield folder
