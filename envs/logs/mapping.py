"""Mapping files: how the columns of one's own files become auctions."""

from __future__ import annotations

from collections.abc import Mapping as Entries
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bidpilot.bidding.errors import InvalidMapping
from bidpilot.bidding.event import Event
from bidpilot.bidding.zone import ZoneName
from bidpilot.envs.logs.plain import UTF8, check_encoding
from bidpilot.envs.logs.truth import Word

UNITS = {
    "epoch_s": 1e3,
    "epoch_ms": 1.0,
    "epoch_us": 1e-3,
    "epoch_ns": 1e-6,
    "relative_s": 1e3,
    "relative_ms": 1.0,
    "excel": 86_400e3,
}
"""Forms of times that are numbers, and the milliseconds of one unit."""
RELATIVE = ("relative_s", "relative_ms")
"""Forms of times that count from 0, wherever that is."""
Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TimeMap(_Part):
    """When an auction took place, and how days are cut."""

    column: Name = Field(description="Column of the time.")
    form: str = Field(
        "iso",
        min_length=1,
        description="epoch_s, epoch_ms, epoch_us, epoch_ns (since 1970), relative_s, relative_ms (since a 0 of its "
        "own), excel (days), iso (with an offset, or in the zone below), or a strftime pattern.",
    )
    zone: ZoneName = Field("UTC", description="Time zone in which times without offset are, and days are cut.")
    day_starts: int = Field(0, ge=0, le=23, description="Hour at which a day begins.")
    years: tuple[int, int] = Field(
        (1990, 2100), description="First and last year in which an auction may lie; other times are refused."
    )

    @field_validator("years")
    @classmethod
    def _in_order(cls, years: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= years[0] <= years[1] <= 9998:
            raise ValueError(f"{list(years)} are no first and last year")
        return years


class PriceMap(_Part):
    """What an auction cost, or would have cost."""

    column: Name = Field(description="Column of the market price; where `won` is given, read only where won.")
    unit: Positive = Field(1.0, description="Currency per exposure of one unit of the column (CPM: 0.001).")
    won: str | None = Field(None, min_length=1, description="Column that says whether the auction was won: yes or no.")
    won_when: tuple[Word, ...] = Field((), description="Words of that column that mean won, beside 1 t true y yes on.")
    lost_when: tuple[Word, ...] = Field((), description="Words that mean lost, beside 0 f false n no off.")
    bid: str | None = Field(None, min_length=1, description="Column of the recorded bid, in the unit of the price.")


class KpiMap(_Part):
    """How a KPI is made: a weighted sum of columns, or a constant."""

    sum: dict[Name, Annotated[float, Field(ge=0)]] = Field({}, description="Weight of each column.")
    per: str | None = Field(None, min_length=1, description="Column that the sum is divided by.")
    cap: Positive | None = Field(None, description="Greatest value; what exceeds it is cut to it.")
    constant: float | None = Field(None, ge=0, description="The same value for every auction.")
    realised: bool = Field(
        False, description="Whether the columns hold outcomes; predictions are then made from other days' outcomes."
    )

    @model_validator(mode="after")
    def _one_way(self) -> KpiMap:
        if bool(self.sum) == (self.constant is not None):
            raise ValueError("give either sum or constant")
        if self.constant is not None and (self.realised or self.per or self.cap):
            raise ValueError("a constant is neither realised, nor divided, nor cut")
        return self


class TierMap(_Part):
    """Head and tail by how often a column's values occur in the files."""

    column: Name = Field(description="Column of the content, such as the video.")
    tail_share: float = Field(
        0.25, gt=0, lt=1, description="Share of auctions that go to the rarest content, the tail."
    )


class Mapping(_Part):
    """How the columns of files become auctions. Columns that are not named here are dropped."""

    separator: str = Field(",", min_length=1, max_length=1, description="What separates fields of a text file.")
    quote: str | None = Field(
        '"', min_length=1, max_length=1, description="What surrounds a field; null: nothing does."
    )
    encoding: str = Field(UTF8, description="Of text files without a byte-order mark: utf-8, gbk, latin-1, cp1252, ...")
    columns: tuple[Name, ...] = Field((), description="Names of the columns where the file has no header line.")
    missing: tuple[str, ...] = Field(
        ("", "null", "NULL", "NA", "N/A", "NaN", "nan", "None", "\\N"), description="Texts that stand for nothing."
    )
    slots: int = Field(48, ge=1, le=1440, description="Slots per day.")
    time: TimeMap = Field(description="When an auction took place.")
    campaign: str | None = Field(None, min_length=1, description="Column of the campaign: each has days of its own.")
    key: tuple[Name, ...] = Field(
        (), description="Columns that together name one auction; a repeated one is set aside."
    )
    price: PriceMap | None = Field(None, description="The market price; none: drawn from another log's.")
    exposure: KpiMap | None = Field(None, description="Quality of the exposure, in [0, 1]; none: 1.")
    interaction: KpiMap | None = Field(None, description="Expected interactions, weighted; none: 0.")
    conversion: KpiMap | None = Field(None, description="Expected conversions, in [0, 1]; none: 0.")
    interacted: KpiMap | None = Field(None, description="Realised interactions, beside predicted ones.")
    converted: KpiMap | None = Field(None, description="Realised conversions, beside predicted ones.")
    events: dict[Event, Name] = Field(
        {}, description="Column of each type of event: how many were told of the auction, or yes or no."
    )
    rate_by: tuple[Name, ...] = Field((), description="Columns of like auctions, for KPIs that are realised only.")
    channel: str | None = Field(None, min_length=1, description="Column of the channel; none: feed.")
    tier: Name | TierMap | None = Field(None, description="Column of the content tier, or how it is found; none: head.")
    source: str | None = Field(None, min_length=1, description="Column of the publisher or account, kept as a cluster.")
    budget: Name | Positive | None = Field(None, description="Currency per day: a column or a number.")
    conversion_value: Name | Positive | None = Field(None, description="Currency: a column or a number.")
    max_cpa: Name | Positive | None = Field(None, description="Target cost per conversion: a column or a number.")
    hash: tuple[Name, ...] = Field(
        (), description="Identifiers to keep as keyed hashes beside the log; the key is in BIDPILOT_HASH_KEY."
    )

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        return check_encoding(name)

    @model_validator(mode="after")
    def _fits_together(self) -> Mapping:
        for outcome, kpi in (("interacted", "interaction"), ("converted", "conversion")):
            given, predicted = getattr(self, outcome), getattr(self, kpi)
            if given is not None and predicted is not None and predicted.realised:
                raise ValueError(f"{outcome} is told by {kpi} already, which is realised: give one of them")
        if self.exposure is None and self.interaction is None and self.conversion is None:
            raise ValueError("no KPI is mapped: give exposure, interaction or conversion")
        return self

    @property
    def kpis(self) -> dict[Literal["exposure", "interaction", "conversion"], KpiMap]:
        """The KPIs that are mapped."""
        given = {"exposure": self.exposure, "interaction": self.interaction, "conversion": self.conversion}
        return {name: kpi for name, kpi in given.items() if kpi is not None}  # type: ignore[misc]


def load_mapping(path: Path | None) -> Mapping:
    """Read a mapping from a YAML file.

    Raises:
        InvalidMapping: no file is named, it cannot be read, or it names what does not exist.
    """
    if path is None:
        raise InvalidMapping("No mapping is named: give --mapping FILE.yaml, which says what each column is.")
    return mapping_of(path)


def mapping_of(entries: Entries[str, Any] | str | Path) -> Mapping:
    """A mapping from its entries, or from a YAML file of them.

    Raises:
        InvalidMapping: the file cannot be read, or an entry names what does not exist.
    """
    told, values = "The mapping", entries
    if isinstance(entries, (str, Path)):
        told = f"The mapping {entries}"
        try:
            values = yaml.safe_load(Path(entries).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            cause = " ".join(str(error).split())
            raise InvalidMapping(f"{told} cannot be read ({cause}). Give a YAML file.") from error
    try:
        return Mapping.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'mapping'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False)
        ]
        raise InvalidMapping(f"{told} does not fit: {'; '.join(faults)}. Correct these entries.") from None
