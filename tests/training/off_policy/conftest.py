"""A small market whose served days are estimated from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.training.off_policy.served import ServedLog
from bidpilot.training.off_policy.simulated import Ground
from tests.training.evaluation.conftest import SMALL

FACTORS, SHARES = np.array([0.8, 1.0, 1.25]), np.array([0.1, 0.8, 0.1])


@pytest.fixture(scope="session")
def ground() -> Ground:
    return Ground.of(SMALL)


@pytest.fixture(scope="session")
def explored(ground: Ground) -> ServedLog:
    rng = np.random.default_rng(0)
    return ground.served(ground.days(8, rng), FACTORS, SHARES, rng)


@pytest.fixture(scope="session")
def plain(ground: Ground) -> ServedLog:
    rng = np.random.default_rng(0)
    return ground.served(ground.days(8, rng), np.ones(1), np.ones(1), rng)


def results(served: ServedLog) -> np.ndarray:
    """What a bid server calls what came of each auction."""
    return np.where(served.won, "won", np.where(served.tries.made > 0, "lost", "no_money")).astype("<U20")


def write_decisions(served: ServedLog, folder: Path, **changes: object) -> Path:
    """The log as a bid server writes it, with columns that are `changes`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "segments.json").write_text(json.dumps(served.segments))
    tries = served.tries
    if len(tries.shares) > 1:
        factors = FACTORS
        (folder / "exploration.json").write_text(
            json.dumps({"factors": factors.tolist(), "shares": tries.shares.tolist()})
        )
        changes = {"factor": factors[tries.drawn], **changes}
    kpi = dict(zip(("exposure", "interaction", "conversion"), served.value.T, strict=True))
    frame = pl.DataFrame(
        {
            "campaign": ["spring"] * len(served.won),
            "date": [served.dates[d] for d in served.day],
            "slot": served.slot,
            "slots": np.full(len(served.won), served.slots),
            "time": np.arange(len(served.won), dtype=np.float64),
            "segment": [served.segments[s] for s in served.segment],
            "source": served.source,
            **kpi,
            "first_price": np.zeros(len(served.won), np.bool_),
            "bid": tries.made,
            "result": results(served),
            "cost": served.cost,
            "market_price": tries.price,
            "budget": served.budget[served.day],
            "conversion_value": served.worth[served.day],
            **changes,
        }
    ).with_columns(pl.col("market_price").fill_nan(None))
    frame.write_parquet(folder / "decisions-1-1.parquet")
    return folder
