"""`bidpilot promote`: the challenger becomes champion when it wins paired days, and the reason is recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import Agent, controller_agent
from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidConfig, PromotionRefused, RunNotFound
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.ground import TrainingPart
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import LEAST, NO_INTERVAL, interval
from bidpilot.training.evaluation.suites import log_arena, named_suites, synthetic_suite
from bidpilot.training.export.agent import BundleAgent
from bidpilot.training.export.config import PromoteConfig
from bidpilot.training.export.registry import (
    CHALLENGER,
    CHAMPION,
    Version,
    fetch,
    find_version,
    make_champion,
    tags_of,
    version_of,
)
from bidpilot.training.export.won import DEMAND, demanded, won_by
from bidpilot.training.report.progress import steps, waiting
from bidpilot.training.setting.targets import asked_campaign
from bidpilot.training.tracking import download, find_run, open_run, resolve_run

_LOG_MARK = "log.json"


@dataclass(frozen=True)
class Duel:
    """The challenger against the champion on one suite."""

    suite: str
    days: int
    challenger: float  # mean R / R*
    champion: float  # mean R / R*
    difference: float  # mean paired difference
    low: float | None  # 95 % interval of it, by day or by the unit that days share; None where those are too few
    high: float | None
    groups: int  # such units

    def __str__(self) -> str:
        known = self.low is not None and self.high is not None
        within = f"{self.low:+.4f} to {self.high:+.4f}" if known else "no interval"
        grouped = "" if self.groups == self.days else f" in {self.groups} groups"
        return (
            f"{self.suite}: {self.challenger:.4f} against {self.champion:.4f} on {self.days} days{grouped}, "
            f"difference {self.difference:+.4f} ({within})"
        )


def run(config: PromoteConfig) -> None:
    """Play both on the same days; move the alias `champion`, or refuse.

    Without a champion the plan, which every bundle falls back on, takes its place.

    Raises:
        RunNotFound, AmbiguousRun: there is no challenger, or no such run, or several.
        PromotionRefused: it is worse on a suite, better on none, or not to be judged on one; says by how much. Or it
            has not won the experiment that is asked for or demanded.
        InvalidExperiment: what is given for that experiment is none that was served.
    """
    console = Console()
    challenger = _challenger(config)
    champion = _champion(config.name)
    if champion is not None and champion.version == challenger.version:
        raise PromotionRefused(f"version {challenger.version} of {config.name} is champion already. Export another.")
    name = f"promote {config.name} v{challenger.version}"
    with (
        tempfile.TemporaryDirectory() as folder,
        open_run(config.experiment, name, changed(config), kind="promote", config=config) as tracked,
    ):
        new = BundleAgent.load(fetch(challenger, Path(folder) / "challenger"), "challenger")
        old: Agent = controller_agent("plan")
        bundles = [new.bundle]
        if champion is not None:
            old = crowned = BundleAgent.load(fetch(champion, Path(folder) / "champion"), "champion")
            bundles.append(crowned.bundle)
        won = _won(config, challenger, bundles)
        with waiting(console, "making the days ready"):
            arenas = _arenas(config, new, bundles, console)
        duels = []
        with steps(console, len(arenas)) as step:
            for name, arena, units in arenas:
                step(f"playing challenger and champion on {name}")
                duels.append(duel(name, arena, units, new, old, config.seed))
        for line in duels:
            console.print(str(line), soft_wrap=True)
        against = "the plan (no champion yet)" if champion is None else f"version {champion.version}"
        lost = verdict(duels, config.allow_few)
        reason = f"against {against}; " + "; ".join([*map(str, duels), *won])
        tracked.log_json([asdict(d) for d in duels], "promotion.json")
        tracked.set_tags({"promoted": str(not lost).lower(), "reason": lost or reason})
        if lost:
            raise PromotionRefused(f"version {challenger.version} of {config.name} {lost}. {reason}.")
        make_champion(challenger, {"promoted_because": reason, "promotion_run": tracked.run_id})
    console.print(f"champion of {config.name}: version {challenger.version}, {reason}", soft_wrap=True)


def verdict(duels: Sequence[Duel], allow_few: bool = False) -> str:
    """Why the challenger has not won; empty where it has: better on one suite at least, worse on none.

    A suite whose days fall into too few groups for an interval cannot say that it is not worse there; where such are
    allowed they say nothing.
    """
    worse = [d.suite for d in duels if d.high is not None and d.high < 0]
    if worse:
        return f"is worse on {', '.join(worse)}"
    few = [d for d in duels if d.low is None]
    if few and not allow_few:
        told = ", ".join(f"{d.suite} ({d.groups} of {LEAST} groups of days)" for d in few)
        return f"cannot be judged on {told}; play more days, or leave those out of the verdict with --allow-few"
    if not any(d.low is not None and d.low > 0 for d in duels):
        return "is better on no suite"
    return ""


def duel(name: str, arena: Arena, units: NDArray[np.int64], new: Agent, old: Agent, seed: int) -> Duel:
    """Play both over the arena's days."""
    first, second = arena.play(new).ratio.copy(), arena.play(old).ratio.copy()
    gap = first - second
    units = units[arena.kept]
    low, high = interval(gap, units, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
    return Duel(
        suite=name,
        days=len(gap),
        challenger=float(first.mean()),
        champion=float(second.mean()),
        difference=float(gap.mean()),
        low=low,
        high=high,
        groups=len(np.unique(units)),
    )


def _won(config: PromoteConfig, challenger: Version, bundles: Sequence[Bundle]) -> list[str]:
    """What the experiment says that is asked for; nothing where none is. `bundles`: its own, the champion's."""
    if config.won is not None:
        return [won_by(config.won, bundles[0], bundles[1] if len(bundles) > 1 else None)]
    if demanded(tags_of(challenger)):
        raise PromotionRefused(
            f"version {challenger.version} of {config.name} has the tag {DEMAND}=true and no won experiment is given. "
            "Serve one (bidpilot serve --experiment), analyse its decision log, and give the result: --won RESULT."
        )
    return []


def _challenger(config: PromoteConfig) -> Version:
    if config.run is None:
        return find_version(f"models:/{config.name}@{CHALLENGER}")
    return version_of(resolve_run(config.run).run_id, config.name)


def _champion(name: str) -> Version | None:
    try:
        return find_version(f"models:/{name}@{CHAMPION}")
    except RunNotFound:
        return None


def _arenas(
    config: PromoteConfig, new: BundleAgent, played: Sequence[Bundle], console: Console
) -> list[tuple[str, Arena, NDArray[np.int64]]]:
    setting = new.bundle.manifest.origin.setting
    names = config.suites or ((setting,) if setting in PRESETS else ())
    suites = [synthetic_suite(record, config.days, config.seed) for record in named_suites(names, default=())]
    found = [(suite.name, suite.arena, suite.units) for suite in suites]
    folder = latest_log(config.log)
    log = None if folder is None else _unseen_days(folder, played, console)
    if log is not None:
        found.append(_log_arena(log, new))
    if not found:
        raise InvalidConfig(
            f"the challenger learnt from the log {setting} and there is none of other days at {config.log} to play. "
            "Give --log with an imported log."
        )
    return found


def latest_log(folder: Path) -> Path | None:
    """The log in `folder`, or the latest written of the logs below it; None where there is none."""
    if (folder / _LOG_MARK).is_file():
        return folder
    logs = sorted(folder.glob(f"*/{_LOG_MARK}"), key=lambda p: p.stat().st_mtime)
    return logs[-1].parent if logs else None


def _unseen_days(folder: Path, played: Sequence[Bundle], console: Console) -> AuctionLog | None:
    """The log in `folder` without the days that a policy which is played learnt from; None where that leaves none.

    Who has seen a day bids better on it than on those to come, and what promotes is what is to come.
    """
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    log = load_log(folder)
    seen = np.zeros(log.n_days, np.bool_)
    for bundle in played:
        origin = bundle.manifest.origin
        try:
            run = find_run(origin.run_id)
            seen |= TrainingPart.of_run(run, download(run.run_id, "policy")).seen(log)
        except RunNotFound:
            console.print(
                f"run {origin.run_id} is gone, so that nobody knows which days of {log.name} its policy learnt from",
                soft_wrap=True,
            )
    if seen.any():
        console.print(f"{log.name}: {seen.sum()} of its {log.n_days} days were trained on and are left out")
    return None if seen.all() else log.select_days(np.flatnonzero(~seen))


def _log_arena(log: AuctionLog, new: BundleAgent) -> tuple[str, Arena, NDArray[np.int64]]:
    """The recorded days under the challenger's forecast and campaign, each with its own budget and, as in training,
    its own target."""
    manifest = new.bundle.manifest
    campaign, targets = asked_campaign(manifest.campaign, manifest.origin.targets)
    arena = log_arena(log, new.bundle.forecast, campaign, targets)
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return log.name, arena, units
