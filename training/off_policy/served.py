"""A served log as off-policy estimates read it: every auction with the bids that might have been made on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import BidpilotError, UnreadableFile
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.decisions import REFUSED, SEGMENTS_FILE, WON
from bidpilot.envs.logs.outcomes import Plain, as_it_is
from bidpilot.training.experiments.served import share_of
from bidpilot.training.off_policy.estimators import Tries

Array = NDArray[np.float64]

EXPLORATION_FILE: Final = "exploration.json"
"""Beside the decisions: the factors that bids were multiplied by at random, and the probability of each."""
FACTOR: Final = "factor"
"""The column of the factor that an auction's bid was multiplied by."""
COLUMNS: Final = (
    "campaign", "date", "slot", "slots", "time", "segment", "source", *KPI,
    "first_price", "bid", "result", "cost", "market_price", "budget", "conversion_value",
)  # fmt: skip
TRIED: Final = (WON, "lost", "expired")
"""Results of auctions that were bid on; without a notice of a win, a bid is lost."""


NO_MONEY: Final = "no_money"
"""The result of an auction that was not bid on since the day's money was out: a candidate may have some left."""


class NotEstimable(BidpilotError):
    """Raised when a served log cannot tell what a candidate would have brought, whatever the candidate."""


@dataclass(frozen=True)
class ServedLog:
    """N auctions of D days of T slots of one campaign, in order of day and slot."""

    name: str
    segments: tuple[str, ...]  # (S,)
    dates: tuple[str, ...]  # (D,)
    offsets: NDArray[np.int64]  # (D, T + 1) day d, slot t is offsets[d, t] .. offsets[d, t + 1]
    value: Array  # (N, 3) predicted KPIs
    segment: NDArray[np.int64]  # (N,)
    source: NDArray[np.int64]  # (N,)
    tries: Tries
    won: NDArray[np.bool_]  # (N,)
    cost: Array  # (N,) currency, 0 where not won
    budget: Array  # (D,) currency
    worth: Array  # (D,) of a conversion, currency
    share: float = 1.0  # of the traffic that the campaign had: an arm of an experiment has its part

    @property
    def price(self) -> Array:
        """(N,) market price where it is known, else NaN."""
        return self.tries.price

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return int(self.offsets.shape[1] - 1)

    @property
    def day(self) -> NDArray[np.int64]:
        """(N,) the day that each auction is of."""
        return np.repeat(np.arange(len(self.offsets)), np.diff(self.offsets[:, [0, -1]], axis=1)[:, 0])

    @property
    def slot(self) -> NDArray[np.int64]:
        """(N,) the slot that each auction is in."""
        counts = np.diff(self.offsets, axis=1)
        return np.repeat(np.tile(np.arange(self.slots), len(self.offsets)), counts.ravel())

    def by_day(self, amount: Array) -> Array:
        """(D, ...) sums of amounts (N, ...) over each day."""
        edges = self.offsets[:, [0, -1]]
        sums = np.concatenate([np.zeros((1, *amount.shape[1:])), np.cumsum(amount, axis=0)])
        total: Array = sums[edges[:, 1]] - sums[edges[:, 0]]
        return total

    @property
    def totals(self) -> tuple[Array, Array]:
        """What the log itself spent (D,), and the KPIs (D, 3) that were predicted of its wins."""
        return self.by_day(self.cost), self.by_day(self.value * self.won[:, None])


def read_served(folder: Path, campaign: str | None = None, plain: Plain = as_it_is) -> ServedLog:
    """The decision log of a bid server, of one campaign.

    Requests that were refused as invalid traffic, or not bid on for another reason than that the money was out, are
    left out: a candidate would not have bid on them either. Where `exploration.json` (`factors`, `shares`) lies beside
    the decisions and they have a column `factor`, bids were multiplied by such a factor at random. `plain` gives the
    bytes of a file, decrypted where it is encrypted.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn: from the files.
        InvalidExperiment: the file of an experiment beside the log cannot be read.
        NotEstimable: several campaigns and none is named, first price, no bid, or factors that are not declared.
    """
    paths = decision_files([folder])
    segments = _json(paths[0].with_name(SEGMENTS_FILE))
    rows = read_decision_rows(paths, COLUMNS, plain, {FACTOR: pl.Float64})
    rows = _of_campaign(rows, campaign, folder)
    tried, broke = pl.col("result").is_in(TRIED) & (pl.col("bid") > 0), pl.col("result") == NO_MONEY
    rows = rows.filter((tried | broke) & pl.col("segment").is_in(segments))
    if not rows.filter(tried).height:
        raise NotEstimable(f"{folder} holds no auction that was bid on. Give the log of days that were served.")
    if rows["first_price"].any():
        raise NotEstimable(
            f"{folder} holds auctions at first price, whose wins do not tell the market price. Only second price can "
            "be estimated."
        )
    if rows["slots"].n_unique() > 1:
        raise NotEstimable(f"{folder} has days of {sorted(rows['slots'].unique())} slots. Give those of one bundle.")
    return _served(rows.sort("date", "slot", "time", maintain_order=True), tuple(segments), folder)


def _served(rows: pl.DataFrame, segments: tuple[str, ...], folder: Path) -> ServedLog:
    slots, dates = int(rows["slots"][0]), tuple(dict.fromkeys(rows["date"].to_list()))
    order = {segment: k for k, segment in enumerate(segments)}
    place = rows["date"].replace_strict(dates, list(range(len(dates))), return_dtype=pl.Int64).to_numpy() * slots
    counts = np.bincount(place + rows["slot"].to_numpy(), minlength=len(dates) * slots)
    edges = np.concatenate([[0], np.cumsum(counts)])
    offsets = edges[np.arange(len(dates))[:, None] * slots + np.arange(slots + 1)]
    last = rows.group_by("date", maintain_order=True).agg(pl.col("budget", "conversion_value").last())
    number = {name: rows[name].cast(pl.Float64).to_numpy() for name in (*KPI, "bid", "cost")}
    won = (rows["result"] == WON).to_numpy()
    price = rows["market_price"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    price = np.where(won & ~np.isfinite(price), number["cost"], price)
    return ServedLog(
        name=folder.name,
        segments=segments,
        dates=dates,
        offsets=offsets,
        value=np.stack([number[name] for name in KPI], axis=1),
        segment=np.array([order[s] for s in rows["segment"]], np.int64),
        source=rows["source"].cast(pl.Int64).to_numpy(),
        tries=_tries(rows, number["bid"], price, folder),
        won=won,
        cost=np.where(won, number["cost"], 0.0),
        budget=last["budget"].cast(pl.Float64).to_numpy(),
        worth=last["conversion_value"].cast(pl.Float64).to_numpy(),
        share=share_of(str(rows["campaign"][0]), folder),
    )


def _tries(rows: pl.DataFrame, bid: Array, price: Array, folder: Path) -> Tries:
    factors, shares = declared_factors(folder)
    untold = rows.filter(pl.col(FACTOR).is_null() & (pl.col("result") != NO_MONEY)).height
    if untold and len(factors) > 1:
        raise NotEstimable(
            f"{untold} auctions of {folder} that were bid on have no {FACTOR}, and {EXPLORATION_FILE} declares "
            f"{len(factors)}: with which of them they were bid on is not known. Leave those days out, or tell "
            "the factors."
        )
    factor = rows[FACTOR].fill_null(1.0).to_numpy()
    drawn = np.abs(np.log(factor)[:, None] - np.log(factors)).argmin(axis=1)
    if not np.allclose(factors[drawn], factor, rtol=1e-6):
        raise NotEstimable(
            f"bids of {folder} were multiplied by factors that {EXPLORATION_FILE} does not declare. Declare all of "
            "them with their shares, or leave the column out where nothing was explored."
        )
    return Tries((bid / factor)[:, None] * factors, shares, drawn, price)


def declared_factors(folder: Path) -> tuple[Array, Array]:
    """Factors (K,), ascending, and their shares (K,), that lie beside the decisions; 1 alone where none do.

    Raises:
        NotEstimable: they are not positive numbers whose shares are positive and sum to 1.
    """
    found = sorted(folder.rglob(EXPLORATION_FILE))
    if not found:
        return np.ones(1), np.ones(1)
    text = _json(found[0])
    other = [path for path in found[1:] if _json(path) != text]
    if other:
        raise NotEstimable(
            f"{found[0]} and {other[0]} declare different factors or shares, and which rows are whose is not known. "
            "Estimate each folder by itself."
        )
    factors, shares = (np.array(text[name], np.float64) for name in ("factors", "shares"))
    usable = factors.ndim == 1 and factors.shape == shares.shape and len(np.unique(factors)) == len(factors) > 0
    if not (usable and (factors > 0).all() and (shares > 0).all() and abs(shares.sum() - 1.0) < 1e-6):
        raise NotEstimable(f"{found[0]} needs positive factors, and as many positive shares that sum to 1.")
    order = np.argsort(factors)
    return factors[order], shares[order]


def _of_campaign(rows: pl.DataFrame, campaign: str | None, folder: Path) -> pl.DataFrame:
    there = sorted(set(rows["campaign"]))
    if campaign is None and len(there) > 1:
        raise NotEstimable(f"{folder} holds {len(there)} campaigns: {', '.join(there)}. Name one by --campaign.")
    if campaign is not None and campaign not in there:
        raise NotEstimable(f"{folder} holds no campaign {campaign}; there is {', '.join(there)}.")
    rows = rows.filter(pl.col("campaign") == (campaign or there[0]))
    return rows.filter(~pl.col("result").is_in(REFUSED))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Keep it beside the decisions.") from error
