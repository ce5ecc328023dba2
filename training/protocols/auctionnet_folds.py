"""What the AuctionNet protocol plays: days of a test log, or of one campaign of the training log after the other.

What an agent knows of the days comes from other days alone: of the training log, or of its other campaigns.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.baselines.learned.bidder import LearnedBidder
from bidpilot.agents.baselines.published.auctionnet import BenchmarkBidder, BidderDay
from bidpilot.agents.baselines.published.auctionnet_bidders import BudgetPid, CpaPid, FixedCpa, OnlineLp
from bidpilot.agents.gains import row_gains
from bidpilot.agents.learners.catalogue import LEARNERS, learner_of
from bidpilot.bidding.errors import InvalidProtocol
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.recorded.carrying import Carried, carry_over
from bidpilot.training.evaluation.contestants import Contestant, find_contestants
from bidpilot.training.evaluation.ground import Trained, TrainingPart, find_trained
from bidpilot.training.evaluation.names import TUNED
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import Suite, log_suite
from bidpilot.training.protocols.config import AuctionNetConfig
from bidpilot.training.protocols.names import BENCHMARK, OFFLINE
from bidpilot.training.protocols.rivals import find_rivals
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.split import HoldOut, days_digest, split_days
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.tracking import RunInfo, download, finished_runs
from bidpilot.training.tracking.lineage import Lineage

CONVERSIONS_ALONE = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Rival(Contestant):
    """Who is played in a way of its own."""

    how: Callable[[Arena], Outcome] = field(kw_only=True)

    def play(self, suite: Suite) -> dict[str, Outcome]:
        """Its days, by its name."""
        return {self.name: self.how(suite.arena)}


@dataclass(frozen=True)
class LearnedRival(Contestant):
    """A published offline learner, by the weights of each of its seeds."""

    bidders: Mapping[int, LearnedBidder] = field(kw_only=True)  # by seed
    target: NDArray[np.float64] = field(kw_only=True)  # (D,) recorded target CPA, currency

    @property
    def seeds(self) -> int:
        """Trainings that its row stands for."""
        return len(self.bidders)

    def play(self, suite: Suite) -> dict[str, Outcome]:
        """Its days: the mean over its seeds, by its name."""
        counts = ~np.isnan(suite.arena.days.max_cpa)
        plays = [suite.arena.play_rules(b.rule_of(self.target, counts)) for b in self.bidders.values()]
        return {self.name: Outcome.pooled(plays)}


@dataclass(frozen=True)
class Fold:
    """Days that are played, and who plays them by what is known of other days."""

    test: AuctionLog
    trained: Trained
    contestants: Sequence[Contestant]

    def suite(self, targets: bool) -> Suite:
        """The days scored by conversions alone, under their target costs or their budgets alone.

        Raises:
            InvalidProtocol: none of a day's auctions is worth buying.
        """
        suite = log_suite(
            self.test, self.trained, LogTerms.model_validate({"preference": CONVERSIONS_ALONE, "targets": targets})
        )
        if not suite.arena.kept.all():
            label = self.test.days[int(np.argmin(suite.arena.kept))].label
            raise InvalidProtocol(f"No auction of day {label!r} has a conversion to buy. Leave the day out.")
        return suite


def test_fold(config: AuctionNetConfig, training: AuctionLog, test: AuctionLog, console: Console) -> Fold:
    """The days of the test log, by what is known of the training log.

    Raises:
        RunNotFound: a run that was asked for is not there.
        InvalidConfig: the logs share days.
    """
    trained = find_trained(test, str(config.train), (), config.experiment, carries=config.carries)
    gains, theirs = row_gains(trained.part.lineage.log), list[Contestant]()
    named = []
    for name in config.named:
        base = name.partition("@")[0]
        if name in BENCHMARK:
            theirs.append(_benchmark(name, training, test))
        elif name in OFFLINE:
            theirs.append(_offline(name, config, trained.part.lineage, test))
        elif name in TUNED and name not in gains:
            console.print(f"{name} is left out: no gains were tuned on {trained.name}; bidpilot tune finds some")
        elif (
            base in LEARNERS
            and not config.agents
            and not _runs(base, config.experiment, training, trained.part.lineage.carries)
        ):
            console.print(f"{name} is left out: no finished run on this log; bidpilot train --log {config.train}")
        else:
            named.append(name)
    return Fold(test, trained, [*find_contestants(tuple(named), config.experiment, test, trained), *theirs])


def campaigns_of(log: AuctionLog) -> list[str]:
    """The campaigns of a log that are left out in turn.

    Raises:
        InvalidProtocol: the log does not say whose its days are, or all are of one.
    """
    campaigns = sorted({day.campaign for day in log.days})
    if "" in campaigns:
        raise InvalidProtocol(f"{log.name} does not say whose its days are. Import it again, with its advertisers.")
    if len(campaigns) < 2:
        raise InvalidProtocol(f"All days of {log.name} are of {campaigns[0]!r}; leaving it out leaves none.")
    return campaigns


def left_out_folds(config: AuctionNetConfig, log: AuctionLog, console: Console) -> Iterator[Fold]:
    """The days of one campaign of the log after the other, by what is known of the other campaigns.

    Gains were tuned on the days of all, so that every controller is neutral. A learner is played by its runs with
    this campaign held out, one a seed, of the seeds that every campaign has a run of.
    """
    for name in config.named:
        if name in TUNED:
            console.print(f"{name} is left out: its gains were tuned on the days that are left out in turn")
    campaigns = campaigns_of(log)
    learners = [name for name in config.named if name in LEARNERS]
    others = {campaign: split_days(log, HoldOut(campaigns=(campaign,))).training for campaign in campaigns}
    carries = {campaign: carry_over(log, config.carries, days).carries for campaign, days in others.items()}
    found = {name: _seeds(name, config, log, carries, console) for name in learners}
    ours = [name for name in config.named if name not in (*BENCHMARK, *OFFLINE, *TUNED, *LEARNERS)]
    for campaign in campaigns:
        setting = training_setting("", config.train, config.seed, None, HoldOut(campaigns=(campaign,)), config.carries)
        assert setting.split is not None
        test, rest = log.select_days(setting.split.unseen), log.select_days(setting.split.training)
        lineage = Lineage(log.digest, days_digest(log, setting.split.training), (campaign,), carries[campaign])
        part = TrainingPart(f"{log.name} without {campaign}", lineage, frozenset(rest.day_digests))
        trained = Trained(setting.forecast, setting.campaign, part)
        contestants = [*find_contestants(tuple(ours), config.experiment, test, trained)]
        contestants += [_benchmark(name, rest, test) for name in config.named if name in BENCHMARK]
        contestants += [_offline(name, config, lineage, test) for name in config.named if name in OFFLINE]
        contestants += [_seeded(name, found[name][campaign]) for name in learners if found[name]]
        yield Fold(test, trained, contestants)


def _benchmark(name: str, training: AuctionLog, test: AuctionLog) -> Contestant:
    """A bidder of the benchmark on the days of a log, by their recorded targets whatever they are scored by.

    Raises:
        InvalidProtocol: a day has no target CPA.
    """
    target = _targets(test)
    simple: tuple[BenchmarkBidder, ...] = (FixedCpa(), BudgetPid(), CpaPid())
    bidder = OnlineLp(training) if name == OnlineLp.name else next(b for b in simple if b.name == name)
    return Rival(name, how=lambda arena: arena.play_rules(BidderDay(bidder, target).rule))


def _offline(name: str, config: AuctionNetConfig, lineage: Lineage, test: AuctionLog) -> LearnedRival:
    """A published offline learner on the days of a log, of weights that learnt from the training days alone.

    Raises:
        RivalNotTrained: there are none.
        InvalidProtocol: a day has no target CPA.
    """
    command = " ".join(
        ("bidpilot rivals", str(config.train), *(f"--hold-out {shlex.quote(c)}" for c in lineage.held_out))
    )
    target = _targets(test)
    return LearnedRival(name, bidders=find_rivals(config.rivals, name, str(lineage.part), command), target=target)


def _targets(log: AuctionLog) -> NDArray[np.float64]:
    """The recorded target CPA of each day (D,), currency.

    Raises:
        InvalidProtocol: a day has none.
    """
    for day in log.days:
        if day.max_cpa is None:
            raise InvalidProtocol(f"Day {day.label!r} has no target CPA. The protocol needs one for every day.")
    return np.array([day.max_cpa for day in log.days], np.float64)


def _runs(
    learner: str, experiment: str, log: AuctionLog, carries: str, held_out: tuple[str, ...] = ()
) -> list[RunInfo]:
    """The finished trainings of a learner on a log, the latest first.

    Of those whose forecast holds what `carries` says, with these campaigns held out by name.
    """
    runs = finished_runs(experiment=experiment, tags={"log_digest": log.digest})
    wanted = (held_out, carries)
    return [
        run
        for run in runs
        if learner_of(run.tags) == learner and (Lineage.of(run).held_out, Lineage.of(run).carries) == wanted
    ]


def _seeds(
    learner: str, config: AuctionNetConfig, log: AuctionLog, carries: Mapping[str, Carried], console: Console
) -> dict[str, dict[str, RunInfo]]:
    """By campaign and seed the latest run of a learner with the campaign held out, of seeds that all campaigns have.

    `carries` says by campaign what the forecast of the others holds, which a run must have learnt under. Says which
    command would train what is missing. Empty where no seed is whole.
    """
    found: dict[str, dict[str, RunInfo]] = {}
    for campaign, held in carries.items():
        runs = _runs(learner, config.experiment, log, held, (campaign,))
        found[campaign] = {run.params.get("seed", "0"): run for run in reversed(runs)}
    every = sorted(set().union(*found.values())) or ["0"]
    whole = [seed for seed in every if all(seed in of for of in found.values())]
    for campaign, of in found.items():
        for seed in every:
            if seed not in of:
                command = f"bidpilot train --log {config.train} --hold-out {shlex.quote(campaign)} --seed {seed}"
                command += "" if carries[campaign] == "rates" else " --carries money"
                told = f"{learner} of seed {seed}" if whole else learner
                console.print(f"{told} is left out: no finished run without {campaign}; {command}", soft_wrap=True)
    return {campaign: {seed: of[seed] for seed in whole} for campaign, of in found.items()} if whole else {}


def _seeded(learner: str, runs: Mapping[str, RunInfo]) -> Contestant:
    """A learner with the policy of each seed, whose rows are named by the seed: runs differ from fold to fold."""
    rows = {f"{learner}@seed {seed}" if len(runs) > 1 else learner: run for seed, run in runs.items()}
    policies = {}
    for row, run in rows.items():
        folder = download(run.run_id, "policy")
        policies[row] = NetworkPolicy.load(folder / "policy.npz", row)
    return Contestant(learner, policies, tuple(run.run_id for run in rows.values()))


@dataclass(frozen=True)
class Told:
    """The days of several suites, told as one."""

    name: str
    suites: Sequence[Suite]
    kept_units: NDArray[np.int64]  # (D,)
    target: NDArray[np.float64]  # (D,) recorded target CPA, currency, whatever the days are scored by

    @classmethod
    def of(cls, name: str, folds: Sequence[Fold], suites: Sequence[Suite]) -> Told:
        """Days of one unit share it across folds."""
        days = [day for fold in folds for day in fold.test.days]
        _, units = np.unique([day.unit for day in days], return_inverse=True)
        return cls(name, suites, units, np.array([day.max_cpa or np.nan for day in days]))

    @property
    def at_first_price(self) -> bool:
        """No: the protocol pays market prices."""
        return False

    @property
    def best(self) -> NDArray[np.float64]:
        """(D,) R*, conversions."""
        return np.concatenate([s.arena.best * _ideal(s) for s in self.suites])

    def conversions(self, outcome: Outcome) -> NDArray[np.float64]:
        """(D,) expected conversions of an outcome."""
        return np.asarray(outcome.reached[:, 2] * np.concatenate([_ideal(s) for s in self.suites]))

    @property
    def budget(self) -> NDArray[np.float64]:
        """(D,) currency."""
        return np.concatenate([s.arena.campaigns.budget for s in self.suites])


def _ideal(suite: Suite) -> NDArray[np.float64]:
    return np.asarray(suite.arena.episode.today.ideal[:, 2])
