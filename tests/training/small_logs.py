"""Recorded logs small enough to train on in a moment, and trainings on them that took none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import feature_names
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.markets.recorded.carrying import AskedCarried
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.setting.split import HoldOut, lesson
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.tracking import open_run
from bidpilot.training.train.run import learnt_from

SLOTS, AUCTIONS = 48, 20


def small_log(
    name: str,
    *kpis: str,
    units: int = 4,
    campaigns: Sequence[str] = ("",),
    first: int = 0,
    price: float = 1.0,
    seed: int = 7,
    auctions: int = AUCTIONS,
) -> AuctionLog:
    """Days of 48 slots on feed and search, which predict these KPIs beside exposure.

    A day for each campaign in each unit, `unit FIRST` the first; budgets and prices are `price` times what they are by
    default.
    """
    rng = np.random.default_rng([seed, first]) if first else np.random.default_rng(seed)
    records = [
        DayRecord(f"{campaign} day {u}".strip(), f"unit {u}", 5.0 * price, 2.0 * price, campaign=campaign)
        for u in range(first, first + units)
        for campaign in campaigns
    ]
    n = len(records) * SLOTS * auctions
    value = rng.lognormal(-3.0, 0.5, n).astype(np.float32).clip(0, 1)
    columns: dict[str, Any] = {"exposure": np.ones(n, np.float32)}
    for kpi in ("interaction", "conversion"):
        columns[kpi] = value.copy() if kpi in kpis else np.zeros(n, np.float32)
    return AuctionLog(
        name=name,
        market_price=(price * value * rng.lognormal(0.0, 0.5, n)).astype(np.float32),
        **columns,
        **{f"true_{kpi}": column for kpi, column in columns.items()},
        segment=rng.integers(0, 2, n).astype(np.int16),
        source=np.zeros(n, np.int16),
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.full(SLOTS, auctions) for _ in records]),
        days=tuple(records),
        segments=("feed/head", "search/head"),
        sources=1,
    )


def idle_run(
    log: Path | None,
    hold_out: HoldOut | None = None,
    scale: float = 0.0,
    experiment: str = "bidpilot",
    learner: str = "ppo",
    carries: AskedCarried = "auto",
    terms: LogTerms | None = None,
) -> str:
    """Id of a finished run as `train` leaves it, whose policy bids exp(1.5 scale) times the plan, whatever it sees."""
    hold_out = hold_out or HoldOut(0.25)
    setting = training_setting("steady", log, 0, terms, hold_out, carries)
    with TemporaryDirectory() as folder:
        _save(Path(folder), setting, log, scale)
        tags = {"learner": learner, **learnt_from(setting, hold_out.campaigns)}
        with open_run(experiment, None, {}, tags) as tracked:
            tracked.log_folder(Path(folder), "policy")
    return tracked.run_id


def _save(folder: Path, setting: Setting, log: Path | None, scale: float) -> None:
    segments = len(setting.forecast.segments)
    sizes, bias = (len(feature_names(segments)), action_size(segments)), np.zeros(action_size(segments), np.float32)
    bias[0] = scale
    NetworkPolicy(Mlp((np.zeros(sizes, np.float32),), (bias,))).save(folder / "policy.npz")
    setting.forecast.save(folder / "forecast.npz")
    stored = {
        "setting": setting.name,
        "market_digest": setting.market.digest,
        "log": None if log is None else str(log),
        "log_digest": None if setting.reference_log is None else setting.reference_log.digest,
        "campaign": setting.campaign.model_dump(mode="json"),
        **lesson(setting.reference_log, setting.split),
    }
    (folder / "policy.json").write_text(json.dumps(stored))
