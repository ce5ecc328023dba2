"""The `ipinyou` command: the published protocol, its bidders and the product's rule, in one table."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.baselines.published.ipinyou import Bidder, Play, Training, play, read_auctions, read_training
from bidpilot.agents.baselines.published.linear import Linear, Mcpc, Replan
from bidpilot.agents.baselines.published.value_table import rlb, ss_mdp, value_table
from bidpilot.training.evaluation.statistics import NO_INTERVAL, interval
from bidpilot.training.protocols.config import IPinYouConfig
from bidpilot.training.report.ipinyou import ProtocolPair, ProtocolRow, protocol_pairs, protocol_table
from bidpilot.training.report.progress import steps, waiting

AGAINST = "rlb"


def run(config: IPinYouConfig) -> None:
    """Play every bidder at every budget share; print clicks, expected clicks, cost and win rate.

    Raises:
        InvalidProtocol: a file has rows that the protocol cannot play, or a budget share buys nothing.
    """
    console = Console()
    with waiting(console, f"reading {config.train.name} and {config.test.name}"):
        training, test = read_training([config.train]), read_auctions([config.test])
    budgets = {share: training.budget(share, config.episode) for share in config.shares}
    plays: dict[str, list[Play]] = {}
    with waiting(console, "fitting the bidders"):
        bidders_of = _bidders(training, list(budgets.values()), config.episode)
    with steps(console, sum(map(len, bidders_of))) as step:
        for bidders, (share, budget) in zip(bidders_of, budgets.items(), strict=True):
            for bidder in bidders:
                step(f"playing {bidder.name} at a budget share of {share:g}")
                plays.setdefault(bidder.name, []).append(play(bidder, test, budget, config.episode))
    rows = [_row(name, share, [found]) for name in plays for share, found in zip(budgets, plays[name], strict=True)]
    rows += [_row(name, None, found) for name, found in plays.items()]
    others = [name for name in plays if name != AGAINST]
    pairs = [pair for name in others for pair in _pairs(name, plays[name], plays[AGAINST], config.seed)]
    console.print(protocol_table(rows, f"iPinYou protocol, episodes of {config.episode} auctions: {config.test.name}"))
    console.print(protocol_pairs(pairs))
    if config.json_file is not None:
        config.json_file.write_text(json.dumps({"rows": rows, "pairs": pairs}, indent=2) + "\n", encoding="utf-8")


def _bidders(training: Training, budgets: Sequence[int], episode: int) -> list[tuple[Bidder, ...]]:
    """All bidders for each budget. Values do not depend on the greatest budget: one table serves all."""
    table = value_table(training.price_density, training.click_rate, episode, max(budgets))
    shared = (Mcpc(training), ss_mdp(table, training.click_rate), rlb(table), Replan(training))
    return [(Linear(training, budget, episode), *shared) for budget in budgets]


def _row(agent: str, share: float | None, plays: Sequence[Play]) -> ProtocolRow:
    return ProtocolRow(
        agent=agent,
        share=share,
        clicks=sum(int(found.clicks.sum()) for found in plays),
        expected=sum(float(found.expected.sum()) for found in plays),
        cost=sum(int(found.cost.sum()) for found in plays),
        win_rate=sum(int(found.wins.sum()) for found in plays) / sum(int(found.auctions.sum()) for found in plays),
    )


def _pairs(agent: str, plays: Sequence[Play], against: Sequence[Play], seed: int) -> list[ProtocolPair]:
    out = []
    for kind, name in (("expected clicks", "expected"), ("clicks", "clicks")):
        gap = _by_episode(plays, name) - _by_episode(against, name)
        low, high = interval(gap, np.arange(len(gap)), np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
        pair = ProtocolPair(
            agent=agent,
            against=AGAINST,
            kind=kind,
            diff=float(gap.sum()),
            diff_low=None if low is None else low * len(gap),
            diff_high=None if high is None else high * len(gap),
            groups=len(gap),
        )
        out.append(pair)
    return out


def _by_episode(plays: Sequence[Play], name: str) -> NDArray[np.float64]:
    """Clicks of each episode (E,), summed over budget shares: an episode's shares share its auctions."""
    return np.asarray(np.sum([getattr(found, name) for found in plays], axis=0, dtype=np.float64))
