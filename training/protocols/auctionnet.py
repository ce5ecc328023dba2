"""The `auctionnet` command: the public benchmark's bidders beside the product's agents, under both scores.

The benchmark scores a day by `min(1, (target / CPA) ** 2) * conversions`; the other table counts the conversions that
the budget alone buys. What counts is the ratio to the hindsight optimum of the same score. Conversions are expected
ones, the sum of `pValue` over the auctions won; the score of those drawn from them stands beside. Days are those of
`evaluate --log TEST --forecast TRAIN`, and so are the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import InvalidConfig, InvalidProtocol, UnknownAgent
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import load_log
from bidpilot.training.evaluation.contestants import check_names
from bidpilot.training.evaluation.names import CHOICE
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.rows import agent_rows, pair_rows
from bidpilot.training.protocols.auctionnet_folds import Fold, Told, campaigns_of, left_out_folds, test_fold
from bidpilot.training.protocols.config import AuctionNetConfig
from bidpilot.training.protocols.names import BENCHMARK, KNOWN, OFFLINE
from bidpilot.training.report.auctionnet import ScoreRow, score_table
from bidpilot.training.report.progress import Step, steps
from bidpilot.training.report.tables import PairRow, pair_table, print_table, short_name

WITHOUT = "without targets"
"""What stands after a log's name where its days are scored by their budgets alone."""


def run(config: AuctionNetConfig) -> None:
    """Play every agent under both scores; print and write scores, ratios to R* and paired differences.

    Raises:
        InvalidConfig, UnknownAgent, RunNotFound, RivalNotTrained, InvalidProtocol: before anything is played.
        InvalidLog: a folder holds no readable log.
    """
    _check(config)
    console = Console()
    training = load_log(config.train)
    if config.test is None:
        folds = list(left_out_folds(config, training, console))
        name, days = f"{training.name}, each campaign left out", f"{len(campaigns_of(training))} campaigns"
    else:
        test = load_log(config.test)
        _check_apart(training, test)
        folds, name = [test_fold(config, training, test, console)], test.name
        days = f"{test.n_days} days"
    rows: list[ScoreRow] = []
    pairs: list[PairRow] = []
    for targets in (True, False):
        with steps(console, sum(len(fold.contestants) for fold in folds)) as step:
            played = _play(name if targets else f"{name} {WITHOUT}", folds, targets, step)
        scores = _score_rows(*played, config.seed, folds)
        found = _pairs(*played, folds, config)
        score = "conversions, less where they cost more than the target" if targets else "conversions that budgets buy"
        periods = len(np.unique(played[0].kept_units))
        title = f"AuctionNet protocol: {name}, {days} of {periods} periods; {score}"
        print_table(score_table(scores, title), console)
        if found:
            print_table(pair_table(found), console)
        rows, pairs = [*rows, *scores], [*pairs, *found]
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps([*rows, *pairs], indent=1) + "\n", encoding="utf-8")


def _check(config: AuctionNetConfig) -> None:
    if (config.test is None) != config.leave_one_out:
        got = "neither" if config.test is None else "both"
        raise InvalidConfig(f"Days to play are those of a test log or --leave-one-out; got {got}. Give one of them.")
    for agent in config.agents:
        base, at, _ = agent.partition("@")
        if base not in (*KNOWN, CHOICE) or (at and base not in (*LEARNERS, CHOICE)):
            raise UnknownAgent(
                f"no agent is called {agent!r}. Use one of: {', '.join(KNOWN)}, {DEFAULT}@RUN or {DEFAULT}@RUN,RUN, or "
                f"{CHOICE}@RUN."
            )
        if at and config.leave_one_out:
            raise InvalidConfig(
                f"{agent} is of one run, and every campaign that is left out needs its own. Give {base}: its runs are "
                "found by what they held out."
            )
    check_names([name for name in config.named if name not in (*BENCHMARK, *OFFLINE)])


def _check_apart(training: AuctionLog, test: AuctionLog) -> None:
    shared = {day.label for day in training.days} & {day.label for day in test.days}
    if shared:
        raise InvalidProtocol(
            f"{len(shared)} days are in both logs, {min(shared)!r} for one. Test on days that were not trained on."
        )


def _play(name: str, folds: Sequence[Fold], targets: bool, step: Step) -> tuple[Told, dict[str, Outcome]]:
    """The days under one score, and every row's outcome on them, fold after fold."""
    suites = [fold.suite(targets) for fold in folds]
    parts: list[dict[str, Outcome]] = []
    for fold, suite in zip(folds, suites, strict=True):
        rows: dict[str, Outcome] = {}
        for contestant in fold.contestants:
            step(f"playing {short_name(contestant.name)} on {name}")
            rows |= contestant.play(suite)
        parts.append(rows)
    return Told.of(name, folds, suites), {row: Outcome.joined([part[row] for part in parts]) for row in parts[0]}


def _score_rows(told: Told, outcomes: Mapping[str, Outcome], seed: int, folds: Sequence[Fold]) -> list[ScoreRow]:
    """A row per agent, as `evaluate` has, with what the protocol tells besides."""
    seeds = {contestant.name: contestant.seeds for contestant in folds[0].contestants}
    rows = []
    for row in agent_rows(told, outcomes, seeds, seed):
        outcome = outcomes[row["agent"]]
        conversions = told.conversions(outcome)
        allowed = float((told.target * conversions).sum())
        spend = float((told.budget * outcome.spend_share).sum())
        extra = {
            "score": float((outcome.ratio * told.best).mean()),
            "realised_score": float((outcome.realised * told.best).mean()),
            "best_score": float(told.best.mean()),
            "conversions": float(conversions.mean()),
            "cpa_ratio": spend / allowed if allowed > 0 else None,
            "ratios": outcome.ratio.tolist(),
            "units": told.kept_units.tolist(),
        }
        rows.append(ScoreRow(**row, **extra))  # type: ignore[typeddict-item]
    return rows


def _pairs(
    told: Told, outcomes: Mapping[str, Outcome], folds: Sequence[Fold], config: AuctionNetConfig
) -> list[PairRow]:
    """Every agent against those named that were played, once a pair; single seeds are none."""
    names = [contestant.name for contestant in folds[0].contestants]
    references = [name for name in config.against if name in names]
    ordered = {name: outcomes[name] for name in (*references, *names)}
    return [pair for pair in pair_rows(told, ordered, config.seed) if pair["against"] in references]
