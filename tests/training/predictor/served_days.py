"""Decision logs whose rates are known."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

FORMATS = ("video", "banner")
DAY = 86_400
FIRST = 20_000  # days since 1970: 4 October 2024


def write(folder: Path, rows: list[dict[str, Any]], told: list[tuple[str, str | None, float, float]]) -> Path:
    """A decision log of these rows and outcomes: key, event, interactions, conversions."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "campaign": "c", "slots": 48, "segment": "feed/head", "exposure": 0.5, "interaction": 0.3, "conversion": 0.02,
        "result": "won", "market_price": 0.25, "budget": 40.0, "conversion_value": 8.0,
    }  # fmt: skip
    frame = pl.DataFrame([usual | row for row in rows])
    day = (pl.col("time") // DAY).cast(pl.Int64)
    frame = frame.with_columns(
        date=pl.from_epoch(day, time_unit="d").dt.to_string("%Y-%m-%d"),
        slot=((pl.col("time") % DAY) // 1800).cast(pl.Int64),
    )
    frame.write_parquet(folder / "decisions-1-000001.parquet")
    (folder / "segments.json").write_text(json.dumps(["feed/head"]))
    schema = {"key": pl.String, "event": pl.String, "interaction": pl.Float64, "conversion": pl.Float64}
    events = pl.DataFrame(told, schema, orient="row").with_columns(count=pl.lit(1, pl.Int64))
    events.write_parquet(folder / "outcomes-1-000001.parquet")
    return folder


def at(day: int, hour: int) -> float:
    """Seconds since 1970."""
    return float((FIRST + day) * DAY + hour * 3600)


def date(day: int) -> str:
    """The day's date."""
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=FIRST + day))


def drawn(folder: Path, days: int, exposures: int, seed: int = 0, sources: int = 6) -> NDArray[np.float64]:
    """A log of wins whose true rates (sources, formats, 24) of interactions vary by source and cell; these."""
    rng = np.random.default_rng(seed)
    rate = 0.3 * rng.gamma(4, 1 / 4, (sources, 1, 1)) * rng.gamma(20, 1 / 20, (sources, len(FORMATS), 24))
    rows, told = [], list[tuple[str, str | None, float, float]]()
    for k in range(days * exposures):
        source, form, hour = int(rng.integers(sources)), int(rng.integers(2)), int(rng.integers(24))
        key = f"{k:018x}"
        rows.append(
            {"key": key, "source": source, "format": FORMATS[form], "time": at(k // exposures, hour) + k % 3600}
        )
        if likes := int(rng.poisson(rate[source, form, hour])):
            told.append((key, "like", float(likes), 0.0))
        if rng.random() < 0.6:
            told.append((key, "view", 0.0, 0.0))
    write(folder, rows, told)
    return rate
