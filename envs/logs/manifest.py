"""What `log.json` says of a stored auction log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import DamagedLog, NotALog, UnknownLogVersion
from bidpilot.bidding.event import Event
from bidpilot.bidding.zone import Cut, ZoneName
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord

SCHEMA_VERSION = 1
MANIFEST_FILE = "log.json"


class StoredDay(BaseModel):
    """A day record as stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(description="what the day is called, e.g. 'advertiser 3, period 10'")
    unit: str = Field(description="days of one unit share their auctions' randomness")
    budget: float = Field(gt=0, allow_inf_nan=False, description="currency per day")
    conversion_value: float = Field(gt=0, allow_inf_nan=False, description="currency per conversion")
    max_cpa: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="target CPA, currency")
    campaign: str = Field(default="", description="whose day it is; empty where the log does not say")


class LogManifest(BaseModel):
    """Everything of a stored log that is not a column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(description="layout of the folder")
    name: str = Field(min_length=1, description="the log's name; its evaluation suite is called the same")
    segments: tuple[str, ...] = Field(min_length=1, description="channel/tier of each segment id")
    sources: int = Field(ge=1, description="number of sources")
    slots: int = Field(ge=1, description="slots per day")
    days: tuple[StoredDay, ...] = Field(min_length=1, description="one record per day, in order")
    notes: tuple[str, ...] = Field(default=(), description="what a reader must know")
    timezone: ZoneName | None = Field(
        default=None, description="IANA name of the time zone in which days were cut; left out: in none"
    )
    day_starts: int = Field(default=0, ge=0, le=23, description="hour of the wall's clock there at which days begin")
    rows_in: int = Field(ge=0, description="rows read when the log was imported")
    rows_kept: int = Field(ge=0, description="rows that became auctions")
    rows_set_aside: int = Field(ge=0, description="rows in set_aside.parquet")
    dropped: tuple[str, ...] = Field(default=(), description="columns of the imported files that were not read")
    events: dict[Event, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="events told, by type; left out where the log holds no counts of events"
    )
    digest: str = Field(description="AuctionLog.digest of the columns and records")

    @classmethod
    def of(cls, log: AuctionLog, rows_set_aside: int, dropped: tuple[str, ...] = ()) -> LogManifest:
        """The manifest of a log of which so many rows were set aside and these columns dropped."""
        return cls(
            schema_version=SCHEMA_VERSION,
            name=log.name,
            segments=log.segments,
            sources=log.sources,
            slots=log.slots,
            days=tuple(StoredDay(**vars(day)) for day in log.days),
            notes=log.notes,
            timezone=None if log.cut is None else log.cut.zone,
            day_starts=0 if log.cut is None else log.cut.starts,
            rows_in=log.n + rows_set_aside,
            rows_kept=log.n,
            rows_set_aside=rows_set_aside,
            dropped=dropped,
            events=log.events,
            digest=log.digest,
        )

    def text(self) -> str:
        """The manifest as `log.json` holds it."""
        unsaid = set() if self.events else {"events"}
        if self.timezone is None:
            unsaid |= {"timezone", "day_starts"}
        return self.model_dump_json(indent=2, exclude=unsaid) + "\n"

    @property
    def cut(self) -> Cut | None:
        """Where days begin; None: in no time zone."""
        return None if self.timezone is None else Cut(self.timezone, self.day_starts)

    def records(self) -> tuple[DayRecord, ...]:
        """The day records of the log."""
        return tuple(DayRecord(**day.model_dump()) for day in self.days)


class _VersionOnly(BaseModel):
    """Read first, so that a later layout is named as such and not by its unknown keys."""

    schema_version: int


def read_manifest(folder: str | Path) -> LogManifest:
    """Read `log.json` of a log's folder.

    Raises:
        NotALog: the folder does not exist or holds no log.
        UnknownLogVersion: the folder's layout is not the one this version reads.
        DamagedLog: `log.json` cannot be read.
    """
    path = Path(folder) / MANIFEST_FILE
    if not path.is_file():
        state = "holds no log.json" if Path(folder).is_dir() else "is not a folder"
        raise NotALog(f"{folder} {state}, so it is no auction log. Make one with `bidpilot import`.")
    try:
        text = path.read_text(encoding="utf-8")
        version = _VersionOnly.model_validate_json(text).schema_version
        if version != SCHEMA_VERSION:
            raise UnknownLogVersion(
                f"{folder} has schema version {version}; this version of bidpilot reads {SCHEMA_VERSION}. "
                "Import the log again, or use the version of bidpilot that wrote it."
            )
        return LogManifest.model_validate_json(text)
    except (ValidationError, UnicodeDecodeError) as error:
        raise DamagedLog(f"{path} cannot be read ({error}). Import the log again.") from error
