"""A calibrated market: the synthetic market's levels and shocks over auctions like those of a recorded log.

`MarketModel` is what `bidpilot calibrate` fits and stores; `CalibratedMarket` yields days from it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import ndtri

from bidpilot.bidding.errors import InvalidMarket, NotAMarket
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.zone import Cut, ZoneName
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.logs.manifest import StoredDay
from bidpilot.envs.markets.base import MarketWrapper
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

MODEL_FILE = "market.json"
AUCTIONS_FILE = "auctions.npz"
_GREATEST_CONVERSION = 0.25  # levels multiply conversions by up to about 3: the product stays below 1
_LEAST_UNIFORM = 2.0**-54  # a uniform of exactly 0 would be an infinite normal score


class ModelRecord(BaseModel):
    """Everything of a calibrated market that is not an auction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(1, ge=1, le=1, description="layout of the folder")
    name: str = Field(min_length=1, description="the market's name")
    log_name: str = Field(min_length=1, description="the log it was fitted on")
    log_digest: str = Field(description="AuctionLog.digest of that log")
    timezone: ZoneName | None = Field(None, description="IANA name of the time zone in which that log's days were cut")
    day_starts: int = Field(0, ge=0, le=23, description="hour of the wall's clock there at which its days begin")
    levels: SyntheticConfig = Field(description="volume, curves, levels and their variation; budget, worth")
    segments: tuple[str, ...] = Field(min_length=1, description="channel/tier of each segment id")
    campaigns: tuple[StoredDay, ...] = Field(min_length=1, description="budgets and targets that days are given")
    carries: Carried = Field(
        "money", description="what of conversions is the same whatever campaign is drawn: money, as ever, or rates"
    )
    budget_log_std: float = Field(
        0.2, ge=0, le=2, description="standard deviation of the log of a day's budget over its campaign's"
    )

    @property
    def cut(self) -> Cut | None:
        """Where days begin; None: in no time zone."""
        return None if self.timezone is None else Cut(self.timezone, self.day_starts)


@dataclass(frozen=True, eq=False)
class UnitAuctions:
    """K auctions at unit level: divided by the level of their block, prices by that of their slot."""

    price: NDArray[np.float32]  # (K,) currency
    predicted: NDArray[np.float32]  # (K, 3) conversions; where money carries over, money over the mean worth
    true: NDArray[np.float32]  # (K, 3)
    segment: NDArray[np.int16]  # (K,)


@dataclass(frozen=True, eq=False)
class MarketModel:
    """A fitted market: what is known of its days, and auctions to draw from."""

    record: ModelRecord
    auctions: UnitAuctions

    def save(self, folder: Path) -> None:
        """Write the model to a folder, made where missing."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / AUCTIONS_FILE, **vars(self.auctions))
        (folder / MODEL_FILE).write_text(self.record.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> MarketModel:
        """Read a model.

        Raises:
            NotAMarket: the folder holds none, or one that cannot be read.
        """
        if not (folder / MODEL_FILE).is_file():
            raise NotAMarket(f"{folder} holds no {MODEL_FILE}. Make a market with `bidpilot calibrate`.")
        try:
            record = ModelRecord.model_validate_json((folder / MODEL_FILE).read_text(encoding="utf-8"))
            with (folder / AUCTIONS_FILE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                auctions = UnitAuctions(**{name: stored[name] for name in UnitAuctions.__dataclass_fields__})
        except (ValidationError, InvalidMarket, OSError, ValueError, KeyError, BadZipFile) as error:
            raise NotAMarket(f"The market in {folder} cannot be read ({error}). Calibrate it again.") from error
        return cls(record, auctions)


class CalibratedMarket(MarketWrapper):
    """Days of a fitted market, seeded as the synthetic market's are.

    A day reads consecutive auctions of a log that is drawn once, with replacement, from the model's
    auctions; its demand, price and value levels are the synthetic market's. It is given budget, conversion
    value and target of a random campaign; where money carries over, values are scaled so that their money
    level is the day's whatever that campaign's conversion is worth.

    Args:
        model: the fitted market.
        seed: seeds the log; one domain each for training and for evaluation.

    Raises:
        InvalidMarket: the model's levels do not fit together.
    """

    def __init__(self, model: MarketModel, seed: np.random.SeedSequence) -> None:
        log_seed, levels_seed = seed.spawn(2)
        self._record = model.record
        super().__init__(SyntheticMarket(model.record.levels, levels_seed, model.record.name))
        self._log = _draw_log(model, np.random.default_rng(log_seed))
        self._terms = np.array(
            [(day.budget, day.conversion_value, day.max_cpa or np.nan) for day in model.record.campaigns]
        )
        # A log without conversions measures its values in interactions, which no campaign's worth changes.
        in_money = model.record.carries == "money" and self._log.conversion.any()
        self._worth = self._terms[:, 1] if in_money else np.ones(len(self._terms))

    @property
    def log(self) -> AuctionLog:
        """The columns that the days are windows into, at unit level."""
        return self._log

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""
        return self.base.draws + 2

    @property
    def bounds(self) -> dict[str, NDArray[np.float64]]:
        """What the campaigns that days are given ask for, by row name: (D,), NaN where one asks for nothing."""
        return {"max_cpa": self._terms[:, 2].copy()}

    @property
    def digest(self) -> str:
        """Hex digest of the model and of the log that was drawn."""
        known = self._record.model_dump_json(exclude={"levels"})
        text = f"calibrated:{known}:{self._record.levels.digest}:{self._log.digest}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from `uniforms` (B, draws) in [0, 1); the same row gives the same day.

        Raises:
            InvalidMarket: the shape or a value is not that.
        """
        if uniforms.ndim != 2 or uniforms.shape[1] != self.draws:
            raise InvalidMarket(f"uniforms have shape {uniforms.shape}: give (days, {self.draws})")
        batch = self.base.days(uniforms[:, :-2])
        pick, score = uniforms[:, -2], ndtri(np.maximum(uniforms[:, -1], _LEAST_UNIFORM))
        campaign = (pick * len(self._terms)).astype(np.int64)
        spread = self._record.budget_log_std
        worth = (self._worth.mean() / self._worth[campaign]).astype(np.float32)
        segments = len(self._record.segments)
        return replace(
            batch,
            keep=None,
            price_scale=np.repeat(batch.price_scale[:, :, :1], segments, axis=2),
            value_scale=np.repeat(batch.value_scale[:, :, :1] * worth[:, None, None], segments, axis=2),
            budget=self._terms[campaign, 0] * np.exp(spread * score),
            conversion_value=self._terms[campaign, 1].copy(),
            max_cpa=self._terms[campaign, 2].copy(),
        )


def _draw_log(model: MarketModel, rng: np.random.Generator) -> AuctionLog:
    levels, auctions = model.record.levels, model.auctions
    pick = rng.integers(0, len(auctions.price), levels.log_auctions)

    def column(table: NDArray[np.float32], kpi: int) -> NDArray[np.float32]:
        drawn = table[pick, kpi]
        return np.ascontiguousarray(np.minimum(drawn, _GREATEST_CONVERSION) if kpi == CONVERSION else drawn)

    predicted = [column(auctions.predicted, kpi) for kpi in range(3)]
    same = np.array_equal(auctions.predicted, auctions.true)
    true = predicted if same else [column(auctions.true, kpi) for kpi in range(3)]
    return AuctionLog(
        name=model.record.name,
        market_price=auctions.price[pick],
        exposure=predicted[0],
        interaction=predicted[1],
        conversion=predicted[2],
        true_exposure=true[0],
        true_interaction=true[1],
        true_conversion=true[2],
        segment=auctions.segment[pick],
        source=np.zeros(len(pick), dtype=np.int16),
        invalid=np.zeros(len(pick), dtype=np.bool_),
        interacted=None,
        converted=None,
        offsets=np.linspace(0, len(pick), levels.slots + 1).astype(np.int64)[None, :],
        days=(DayRecord("unit level", model.record.name, levels.budget, levels.conversion_value),),
        segments=model.record.segments,
        sources=1,
        notes=(f"drawn from a market calibrated on {model.record.log_name!r}: days are windows with levels",),
    )
