"""The `auctionnet` command: the public benchmark's score and bidders, the product's agents, and the oracle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.baselines.published.auctionnet import BenchmarkBidder, Field, Floats, Play, TestDays
from bidpilot.agents.baselines.published.auctionnet_bidders import BudgetPid, CpaPid, FixedCpa, OnlineLp
from bidpilot.agents.gains import tuned_gains
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import InvalidProtocol, PolicyMismatch, RunNotFound, UnknownAgent
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import load_log
from bidpilot.training.evaluation.names import FORECASTING, INFORMED, REFERENCES
from bidpilot.training.evaluation.statistics import interquartile_mean, interval
from bidpilot.training.protocols.config import AuctionNetConfig
from bidpilot.training.report.auctionnet import ScoreRow, score_table
from bidpilot.training.report.tables import PairRow, pair_table
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import download
from bidpilot.training.tracking.learned import latest_run_of, run_of

ORACLE = "hindsight"
BENCHMARK = (FixedCpa.name, BudgetPid.name, CpaPid.name, OnlineLp.name)
USUAL = (*BENCHMARK, "plan", *REFERENCES)
KNOWN = (*BENCHMARK, *FORECASTING)
_SLIGHT = 0.001  # relative excess over the target CPA that still counts as kept


def run(config: AuctionNetConfig) -> None:
    """Play every agent on the test days; print and write scores, ratios to the oracle and paired differences.

    Raises:
        UnknownAgent, RunNotFound, InvalidProtocol: before anything is played.
        InvalidLog: a folder holds no readable log.
    """
    console = Console()
    training, log = load_log(config.train), load_log(config.test)
    _check_apart(training, log)
    policies = _policies(config, training, console)
    named = config.agents or (*USUAL, *policies)
    test = TestDays.of(log)
    plays = _play_all(named, policies, test, training, config)
    rows = [_score_row(name, test, play, config.seed) for name, play in plays.items()]
    rows.append(_score_row(ORACLE, test, test.oracle, config.seed))
    pairs = _pairs(config.against, plays, test, config.seed)
    periods = len(np.unique(test.units))
    title = f"AuctionNet protocol: {log.name}, {len(test)} days of {periods} periods; R / R* and score by pValue"
    console.print(score_table(rows, title))
    if pairs:
        console.print(pair_table(pairs))
    if config.json_file is not None:
        config.json_file.write_text(json.dumps({"rows": rows, "pairs": pairs}, indent=2) + "\n", encoding="utf-8")


def _check_apart(training: AuctionLog, test: AuctionLog) -> None:
    shared = {day.label for day in training.days} & {day.label for day in test.days}
    if shared:
        raise InvalidProtocol(
            f"{len(shared)} days are in both logs, {min(shared)!r} for one. Test on days that were not trained on."
        )


def _policies(config: AuctionNetConfig, training: AuctionLog, console: Console) -> dict[str, Path]:
    """Folder of the stored policy that each learned agent, `NAME` or `NAME@RUN`, stands for.

    Raises:
        UnknownAgent: a name that no agent has.
        RunNotFound: a run that was asked for is not there.
    """
    for agent in config.agents:
        base, at, _ = agent.partition("@")
        if base not in KNOWN or (at and base not in LEARNERS):
            raise UnknownAgent(f"no agent is called {agent!r}. Use one of: {', '.join(KNOWN)}, {DEFAULT}@RUN.")
    found = {}
    for agent in config.agents or (DEFAULT,):
        name, _, run_id = agent.partition("@")
        if name not in LEARNERS:
            continue
        try:
            tags = {"log_digest": training.digest}
            named = run_of(name, run_id) if run_id else latest_run_of(name, config.experiment, tags)
        except RunNotFound:
            if config.agents:
                raise
            console.print(f"{name} is left out: no finished training run on this log")
            continue
        found[agent] = download(named.run_id, "policy")
    return found


def _play_all(
    named: Sequence[str], policies: Mapping[str, Path], test: TestDays, training: AuctionLog, config: AuctionNetConfig
) -> dict[str, Play]:
    setting = training_setting("", config.train, config.seed)
    field, gains = Field(test, setting.forecast), tuned_gains(setting.name)
    plays = {}
    for name in named:
        if name in policies:
            plays[name] = _play_policy(name, policies[name], test)
        elif name in BENCHMARK:
            plays[name] = field.play_bidder(_bidder(name, training))
        else:
            controller = MPC.name if name == INFORMED else name
            plays[name] = field.play_agent(controller_agent(controller, gains.get(controller)), name == INFORMED)
    return plays


def _play_policy(name: str, folder: Path, test: TestDays) -> Play:
    """A policy plays under the forecast that it was trained with."""
    try:
        field = Field(test, Forecast.load(folder / "forecast.npz"))
        return field.play_agent(NetworkPolicy.load(folder / "policy.npz", name))
    except PolicyMismatch as error:
        raise PolicyMismatch(f"{name} cannot play {test.log.name}: {error}") from error


def _bidder(name: str, training: AuctionLog) -> BenchmarkBidder:
    if name == OnlineLp.name:
        return OnlineLp(training)
    simple: tuple[BenchmarkBidder, ...] = (FixedCpa(), BudgetPid(), CpaPid())
    return next(bidder for bidder in simple if bidder.name == name)


def _score_row(agent: str, test: TestDays, play: Play, seed: int) -> ScoreRow:
    ratio, allowed = test.ratio(play), test.target * play.conversions
    iqm_low, iqm_high = interval(ratio, test.units, np.random.default_rng(seed))
    mean_low, mean_high = interval(ratio, test.units, np.random.default_rng(seed), trim=0.0)
    return ScoreRow(
        agent=agent,
        iqm=interquartile_mean(ratio),
        iqm_low=iqm_low,
        iqm_high=iqm_high,
        mean=float(ratio.mean()),
        mean_low=mean_low,
        mean_high=mean_high,
        score=float(test.score(play).mean()),
        realised_score=None if agent == ORACLE else float(test.realised_score(play).mean()),
        conversions=float(play.conversions.mean()),
        cpa_ratio=float(play.spend.sum() / allowed.sum()) if allowed.any() else None,
        over_target=float((play.spend > (1.0 + _SLIGHT) * allowed).mean()),
        spend_share=float((play.spend / test.budget).mean()),
        days=len(test),
    )


def _pairs(against: Sequence[str], plays: Mapping[str, Play], test: TestDays, seed: int) -> list[PairRow]:
    """Every agent against those named that were played, once a pair; means of R / R*, paired by day."""
    ratios: dict[str, Floats] = {name: test.ratio(play) for name, play in plays.items()}
    references = [name for name in against if name in ratios]
    rows = []
    for place, other in enumerate(references):
        for name in ratios:
            if name == other or name in references[:place]:
                continue
            gap = ratios[name] - ratios[other]
            low, high = interval(gap, test.units, np.random.default_rng(seed), trim=0.0)
            row = PairRow(
                agent=name, against=other, suite=test.log.name, diff=float(gap.mean()), diff_low=low, diff_high=high
            )
            rows.append(row)
    return rows
