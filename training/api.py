"""What `import bidpilot` offers of training: train, load a policy, evaluate, plan; each as the command of its name.

Nothing here prints tables or writes files; `train` alone makes a run. Names are those of the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.solvers.allocation import Allocation, allocate
from bidpilot.training.cli.yaml_file import explain
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.entered import entered
from bidpilot.training.evaluation.names import REFERENCES
from bidpilot.training.evaluation.of_run import agent_of_run, choice_of
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.rows import agent_rows, marked, pair_rows
from bidpilot.training.evaluation.suites import Suite, log_suite, named_suites, synthetic_suite
from bidpilot.training.evaluation.traffic import behind
from bidpilot.training.export.agent import BundleAgent
from bidpilot.training.report.tables import AgentRow, Marks, PairRow
from bidpilot.training.setting.feasible import check_weighed
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import PortfolioFile, read_file
from bidpilot.training.solve.forecast import Ground, ground, recorded_ground
from bidpilot.training.tracking import download, resolve_run

if TYPE_CHECKING:
    import polars as pl

_MANIFEST = "manifest.json"
_EXPERIMENT = "bidpilot"
_ID_SHOWN = 8  # digits of a run's id in an agent's name

Preset = Literal["daily", "steady"]


@dataclass(frozen=True)
class Evaluation:
    """What agents reached on held-out days."""

    agents: tuple[AgentRow, ...]  # a row per agent and suite, the keys of `bidpilot evaluate --json`
    pairs: tuple[PairRow, ...]  # a row per two agents and suite: paired differences, with their intervals
    ratios: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(repr=False)  # R / R* by day (D,), by suite, agent

    def to_frame(self) -> pl.DataFrame:
        """The rows of agents as a Polars frame, a column per key."""
        import polars as pl

        return pl.DataFrame(self.agents, infer_schema_length=None)

    def pairs_frame(self) -> pl.DataFrame:
        """The rows of pairs as a Polars frame, a column per key."""
        import polars as pl

        return pl.DataFrame(self.pairs, infer_schema_length=None)


def train(**options: Any) -> str:
    """Train a policy as `bidpilot train` does, in the tracking store of the working directory.

        run = bidpilot.train(market="steady", total_steps=0, imitation={"rounds": 4}, seed=1)

    Args:
        **options: those of `bidpilot train --help`, with underscores; groups are dictionaries. A path may be text.

    Returns:
        The run's id; with `seeds` those of all, with commas between them, as `LEARNER@RUN,RUN` takes them.

    Raises:
        InvalidConfig: no such option, or out of range; says which and what is allowed.
        BidpilotError: whatever else the command refuses, before anything is trained.
    """
    # torch loads only where something is trained.
    from bidpilot.training.train.command import TrainCommand, run

    try:
        config = TrainCommand.model_validate(options)
    except ValidationError as error:
        raise InvalidConfig(explain(error, TrainCommand)) from None
    return run(config)


def load_policy(source: str | Path, agent: str | None = None, name: str | None = None) -> Agent:
    """What a training run exports, or what a policy bundle holds: an agent that decides in NumPy, without torch.

        policy = bidpilot.load_policy("bundle")
        action, state = policy.act(observation, policy.start(rows))

    Args:
        source: folder of a bundle, or a training run by its id, the beginning of it, or its name.
        agent: of a run, the learner's name or a controller's in place of its verdict's choice.
        name: what it is compared under; where None, `AGENT@` and the beginning of the run's id, as `mpc@d7061234`, or
            the bundle's name.

    Raises:
        RunNotFound, AmbiguousRun: no such run, or several.
        InvalidBundle, BundleMismatch: the folder's bundle cannot be used.
        InvalidConfig: no such agent.
    """
    folder = Path(source)
    if (folder / _MANIFEST).is_file():
        if agent is not None:
            raise InvalidConfig(f"the bundle in {folder} holds one agent; got agent = {agent!r}. Leave it out.")
        return BundleAgent.load(folder, name)
    if folder.is_dir():
        raise InvalidConfig(f"{folder} holds no {_MANIFEST}, so it is no bundle. Name one, or a training run.")
    found = resolve_run(str(source))
    files = download(found.run_id, "policy")
    described = json.loads((files / "policy.json").read_text())
    chosen = agent or choice_of(found, described)
    return agent_of_run(chosen, files, described, name or f"{chosen}@{found.run_id[:_ID_SHOWN]}")


def evaluate(
    agents: Sequence[str | Agent] = ("mpc", "adaptive"),
    *,
    suites: Sequence[str] = DEFAULT_SUITES,
    log: AuctionLog | None = None,
    forecast: str | None = None,
    days: int = 512,
    seed: int = 0,
    traffic_filter: bool = True,
) -> Evaluation:
    """Play agents on held-out days as `bidpilot evaluate` does; `mpc` and `mpc_informed` always play too.

        found = bidpilot.evaluate(["adaptive", my_agent], suites=["daily", "shift"], days=256)
        found.to_frame()

    Args:
        agents: names as the command takes them (`adaptive`, `LEARNER@RUN`, `choice@RUN`), or agents of your own: what
            has `name`, `replan`, `check`, `start` and `act` of `load_policy`'s, under names that differ. Of an agent
            that is passed as an object nobody knows what it was trained on, so its rows carry no mark of that:
            `trained_on` and `other_market` are of the forecast alone. Those of `LEARNER@RUN` are of the policy too.
        suites: names of suites, or `all`; not looked at where a log is given.
        log: recorded days to play in their place.
        forecast: whose forecast the log is played under, as `--forecast` says.
        days: held-out days a suite.
        seed: of the suites' days and of the intervals.
        traffic_filter: whether agents play behind the detector of invalid traffic.

    Raises:
        UnknownAgent, UnknownSuite, UnknownLaw, RunNotFound, AmbiguousRun, PolicyMismatch, ForecastMismatch,
            InvalidConfig: before anything is played.
    """
    names = tuple(agent for agent in agents if isinstance(agent, str))
    own = [agent for agent in agents if not isinstance(agent, str)]
    _check_named_apart([*names, *(agent.name for agent in own)], own)
    if days < 1:
        raise InvalidConfig(f"days = {days}: give at least 1.")
    if log is None and forecast is not None:
        raise InvalidConfig(f"forecast = {forecast!r} is for a log; suites have their own. Give a log too.")
    filter_of = behind(traffic_filter)
    records = named_suites(tuple(suites)) if log is None else []
    found, trained = entered(names, _EXPERIMENT, records, log, forecast)
    ready: Iterable[Suite]
    if log is None or trained is None:
        ready = (synthetic_suite(record, days, seed, filter_of=filter_of) for record in records)
    else:
        ready = [log_suite(log, trained, filter_of=filter_of)]
    return _played(ready, [*found, *(Contestant(agent.name, {agent.name: agent}) for agent in own)], seed)


def _check_named_apart(names: Sequence[str], own: Sequence[Agent]) -> None:
    """Refuse agents of one's own that rows could not tell apart from others."""
    taken = [agent.name for agent in own if names.count(agent.name) > 1 or agent.name in REFERENCES]
    if taken:
        raise InvalidConfig(f"more than one agent is called {taken[0]!r}: give each a name of its own.")


def _played(suites: Iterable[Suite], contestants: Sequence[Contestant], seed: int) -> Evaluation:
    """Everyone on every suite, one suite after the other."""
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    rows: list[AgentRow] = []
    pairs: list[PairRow] = []
    ratios = {}
    for suite in suites:
        outcomes: dict[str, Outcome] = {}
        marks: dict[str, Marks] = {}
        for contestant in contestants:
            outcomes |= contestant.play(suite)
            marks |= contestant.marks(suite)
        rows += marked(agent_rows(suite, outcomes, seeds, seed), marks)
        pairs += pair_rows(suite, {name: outcomes[name] for name in seeds}, seed)
        ratios[suite.name] = {name: outcome.ratio for name, outcome in outcomes.items()}
    return Evaluation(tuple(rows), tuple(pairs), ratios)


def solve(
    campaign: Campaign | str | Path, *, market: Preset | None = None, log: AuctionLog | None = None, seed: int = 0
) -> Allocation:
    """The plan of a campaign on an average day, as `bidpilot solve` makes it: what to spend and to bid when and where.

        plan = bidpilot.solve(bidpilot.Campaign(budget=40.0, min_tail_share=0.5))
        plan.spend.sum(), plan.kpi, plan.duals

    Args:
        campaign: a campaign, or a YAML file of one.
        market: preset of the synthetic market; the file's, or `daily`, where None.
        log: recorded days to forecast from instead.
        seed: of the preset's log and forecast days.

    Raises:
        InfeasibleCampaign: nothing meets its constraints; says which conflict and what would do.
        InvalidConfig: the file cannot be read, or holds a portfolio; or both market and log are given.
        ZeroIdealPoint: the preference weighs a KPI that the forecast has none of.
    """
    if market is not None and log is not None:
        raise InvalidConfig(f"market = {market!r} and a log are two forecasts. Give one of them.")
    if isinstance(campaign, Campaign):
        asked, on = campaign, Ground(market or "daily", preset_forecast(market or "daily", seed), None)
    else:
        config = SolveConfig(file=Path(campaign), market=market, seed=seed)
        file, profile = read_file(config.file)
        if isinstance(file, PortfolioFile):
            raise InvalidConfig(
                f"{campaign} holds a portfolio, not a campaign: plan it by `bidpilot solve {campaign}`."
            )
        asked, on = file.campaign, ground(config, file, profile)
    on = on if log is None else recorded_ground(log)
    check_weighed(on.name, asked, on.forecast.landscape.mean_value > 0)
    return allocate(on.forecast, asked)
