"""The built-in predictor: rates by source, format and hour from a file, or what the forecast expects of a segment.

The file is what `bidpilot fit-predictor` writes. Looking a value up takes less than a microsecond.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import InvalidPredictor
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.serving.collector import Value
from bidpilot.serving.prediction.values import MOST_VALUE, sound

_MOST = 256 << 20  # bytes of a file
HOURS = 24
Rate = tuple[
    Annotated[float, Field(ge=0, le=1)],
    Annotated[float, Field(ge=0, le=MOST_VALUE)],
    Annotated[float, Field(ge=0, le=1)],
]


class Cell(BaseModel):
    """The rates of one source, format and hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: int = Field(ge=0, description="Cluster of publishers.")
    format: Literal["video", "audio", "native", "banner", "several", "any", ""] = Field(
        description="What the impression asks for; empty where the log does not say."
    )
    hour: int = Field(ge=0, lt=HOURS, description="Of the day, UTC.")
    rate: Rate = Field(description="Exposure, interaction, conversion of a won auction.")


class RatesFile(BaseModel):
    """What `bidpilot fit-predictor` has learned of a decision log."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = Field(1, description="Of this format.")
    sources: int = Field(ge=1, description="Clusters of the log, the pool among them.")
    days: int = Field(ge=1, description="Days that it was learned from.")
    first: str = Field(description="First of them.")
    last: str = Field(description="Last of them.")
    wins: int = Field(ge=1, description="Exposures that were billed on them.")
    strength: dict[str, dict[str, float | None]] = Field(
        description="By KPI: wins of a source, and of a cell, that weigh as much as what is around it; null: endless."
    )
    all: Rate = Field(description="Of all wins.")
    source: dict[int, Rate] = Field(description="By source.")
    cells: tuple[Cell, ...] = Field(description="By source, format and hour.")

    @classmethod
    def load(cls, path: Path) -> RatesFile:
        """Read a file.

        Raises:
            InvalidPredictor: it is none of `bidpilot fit-predictor`.
        """
        try:
            if path.stat().st_size > _MOST:
                raise InvalidPredictor(f"{path} has over {_MOST >> 20} MiB. Give what bidpilot fit-predictor wrote.")
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            why = error if isinstance(error, OSError) else error.errors(include_url=False)[0]["msg"]
            raise InvalidPredictor(
                f"{path} holds no rates of a predictor ({why}). Give the file that bidpilot fit-predictor LOG wrote."
            ) from error


class BuiltIn(Protocol):
    """Gives the values of one impression."""

    def __call__(self, source: int, format: str, hour: int) -> Value:
        """Exposure, interaction and conversion of an exposure there."""


class Rates:
    """Rates of a file: those of the cell, else of the source, else of all.

    Args:
        file: what was learned.
        sources: clusters that the server tells apart, the pool among them.
        path: where it was read.

    Raises:
        InvalidPredictor: the log told other sources apart, so that rates would be read at other publishers'.
    """

    def __init__(self, file: RatesFile, sources: int, path: Path) -> None:
        if file.sources > sources:
            raise InvalidPredictor(
                f"{path} was learned of {file.sources} sources, and this server tells {sources} apart: rates would be "
                f"read at other publishers'. Serve with --sources {file.sources - 1}, or learn anew from this server's "
                "log."
            )
        self.file, self.path = file, path
        self.digest = hashlib.blake2b(file.model_dump_json().encode(), digest_size=8).hexdigest()
        self._cells: dict[tuple[int, str, int], Value] = {(c.source, c.format, c.hour): c.rate for c in file.cells}
        self._sources: dict[int, Value] = dict(file.source)
        self._all: Value = file.all

    def __call__(self, source: int, format: str, hour: int) -> Value:
        """The values of an impression."""
        found = self._cells.get((source, format, hour))
        return found if found is not None else self._sources.get(source, self._all)


class ForecastMeans:
    """What the forecast expects of an auction of one segment, wherever it comes from.

    Args:
        forecast: the bundle's.
        segment: place of the segment.
        conversion_value: worth of a conversion, currency, where the forecast holds conversions in money.
    """

    def __init__(self, forecast: Forecast, segment: int, conversion_value: float) -> None:
        self.forecast = forecast
        land, unit = forecast.landscape, forecast.kpi_unit(conversion_value)
        here = land.segment == segment
        weight = np.where(here, land.weight, 0.0) if land.weight[here].sum() > 0 else land.weight
        mean = weight @ land.value / weight.sum() / unit
        self._value: Value = (min(float(mean[0]), 1.0), min(float(mean[1]), MOST_VALUE), min(float(mean[2]), 1.0))
        assert sound(self._value)

    def __call__(self, source: int, format: str, hour: int) -> Value:
        """The values of an impression."""
        return self._value


def usual_segment(forecast: Forecast, name: str | None) -> int:
    """The segment of impressions that do not say theirs: the one of this name, or the one with most auctions.

    Raises:
        InvalidPredictor: there is none of that name.
    """
    if name is None:
        land = forecast.landscape
        return int(np.bincount(land.segment, land.weight, len(forecast.segments)).argmax())
    if name not in forecast.segments:
        raise InvalidPredictor(f"--segment {name} is none of the bundle's: {', '.join(forecast.segments)}. Name one.")
    return forecast.segments.index(name)
