"""What gains are tried on: days to tune on, and whole days of other periods, markets or advertisers to hold them to.

Gains that were tuned on few days follow those days. So the search is repeated with a part of the data left out, and
what it finds is played on that part, which neither the search nor the forecast has seen (nested cross-validation, Varma
and Simon, BMC Bioinformatics 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs import seeding
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import log_arena, setting_arena
from bidpilot.training.setting.setting import Setting, drawn_market, recorded_setting
from bidpilot.training.tune.config import TuneConfig

Floats = NDArray[np.float64]
Played = Callable[[Arena], Outcome]

MARKETS, PERIODS, CAMPAIGNS = "markets", "periods", "campaigns"


@dataclass(frozen=True)
class Fold:
    """One part left out: where gains are searched without it, and its own days."""

    kind: str  # what is left out as a whole
    train: tuple[Arena, ...]
    held: Arena
    units: NDArray[np.int64]  # (D,) of the held days, among all folds' of the kind: days of one share their randomness


def ratios(arenas: Sequence[Arena], play: Played) -> Floats:
    """R / R* of every day of several arenas, one after the other."""
    return np.concatenate([play(arena).ratio for arena in arenas])


def folds_of(config: TuneConfig, setting: Setting) -> Iterator[Fold]:
    """The parts that are left out in turn, each made when it is its turn.

    On a preset: `config.folds` markets, each a log of its own seed. On a log: groups of its units, and groups of its
    campaigns; none of a kind that it has only one of.
    """
    log = setting.reference_log
    if log is None:
        yield from _markets(config, setting)
        return
    for kind, groups in _parts(config, log).items():
        for group in groups:
            yield _left_out(config, log, kind, group)


def fold_count(config: TuneConfig, setting: Setting) -> int:
    """How many parts are left out in turn."""
    log = setting.reference_log
    return config.folds if log is None else sum(map(len, _parts(config, log).values()))


def _parts(config: TuneConfig, log: AuctionLog) -> dict[str, list[NDArray[np.int64]]]:
    """The days (D,) of each part of a log, by what is left out as a whole."""
    return {
        PERIODS: _groups([day.unit for day in log.days], config.folds),
        CAMPAIGNS: _groups([day.campaign for day in log.days], config.folds),
    }


def _markets(config: TuneConfig, setting: Setting) -> Iterator[Fold]:
    """Markets of the same law, whose logs and days have seeds of their own; the forecast stays the setting's."""
    days = -(-config.days // config.folds)
    seeds = [config.seed + 1 + k for k in range(config.folds)]
    arenas = [
        setting_arena(
            replace(setting, market=drawn_market(config.market, config.log, seed)),
            days,
            seeding.TUNING,
            seed,
        )
        for seed in seeds
    ]
    for k, held in enumerate(arenas):
        yield Fold(MARKETS, tuple(arenas[:k] + arenas[k + 1 :]), held, days * k + np.flatnonzero(held.kept))


def _groups(names: Sequence[str], most: int) -> list[NDArray[np.int64]]:
    """Days (D,) of at most so many groups of names, of equal sizes; none where there are not two names to part."""
    known = sorted(set(names))
    count = min(most, len(known))
    if count < 2:
        return []
    group = {name: place % count for place, name in enumerate(known)}
    member = np.array([group[name] for name in names])
    return [np.flatnonzero(member == k) for k in range(count)]


def _left_out(config: TuneConfig, log: AuctionLog, kind: str, group: NDArray[np.int64]) -> Fold:
    rest = np.setdiff1d(np.arange(log.n_days), group)
    setting = recorded_setting(log.select_days(rest), carries=config.carries)
    train = setting_arena(setting, config.days, seeding.TUNING, config.seed)
    held = log_arena(log.select_days(group), setting.forecast, setting.campaign)
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return Fold(kind, (train,), held, units[group][held.kept])
