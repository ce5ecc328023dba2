"""`bidpilot evaluate-many`: every campaign of a folder on held-out days, with whom `train-many` chose for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict

import numpy as np
from rich.console import Console

from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import row_gains
from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import BidpilotError, InvalidConfig
from bidpilot.envs import seeding
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.ground import Trained, find_trained
from bidpilot.training.evaluation.names import CHOICE, REFERENCES
from bidpilot.training.evaluation.of_run import choice_of
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.rows import agent_rows, pair_row
from bidpilot.training.evaluation.suites import Suite, log_suite
from bidpilot.training.jobs.run import run_jobs
from bidpilot.training.many.children import ASKED, DIGEST, ON, Children, key_of
from bidpilot.training.many.config import EvaluateManyConfig
from bidpilot.training.many.members import Member, members_of
from bidpilot.training.many.train import KIND as JUDGED
from bidpilot.training.report.many import many_plot, print_evaluated
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import AgentRow
from bidpilot.training.setting.feasible import check_feasible
from bidpilot.training.tracking import download, find_run, finished_runs, open_run

KIND = "evaluated"
"""Tag of the runs of campaigns."""
ROWS_FILE = "evaluation.json"


class EvaluatedRow(TypedDict):
    """One campaign on its held-out days."""

    campaign: str
    on: str  # preset or log
    agent: str  # who bid
    run: str | None  # id of the training whose policy that is; None for a controller
    ratio: float | None  # interquartile mean of R / R*; None where it could not be played
    vs_mpc: float | None  # mean difference to `mpc`
    vs_low: float | None  # its 95 % interval
    vs_high: float | None
    days: int
    why: str  # what is wrong with the campaign; empty where nothing is


@dataclass(frozen=True)
class Entry:
    """A campaign, who bids for it, and for a log what it is played under."""

    member: Member
    agent: str  # a controller's name, or `LEARNER@RUN`
    run: str | None
    trained: Trained | None


@dataclass(frozen=True)
class Played:
    """What a worker sends back."""

    row: EvaluatedRow
    agents: tuple[AgentRow, ...]  # of all that played


def run(config: EvaluateManyConfig) -> str:
    """Play every campaign; print, draw, log and write the table; the run's id.

    Raises:
        InvalidConfig, InvalidCampaign, UnknownProfile: the folder's or a file's faults, before any work.
        RunNotFound, ForecastMismatch: a log whose training is not found.
    """
    members, backend, console = members_of(config.folder), config.spread(), Console()
    entries = _entries(members, config)
    policies = {entry.run: _policy(entry.run) for entry in entries if entry.run is not None}
    name, params = f"evaluate-many {config.folder.name}", changed(config, "days", "seed")
    with open_run(config.experiment, name, params, kind="evaluate-many", config=config) as tracked:
        children = Children(tracked, KIND, config.experiment)
        keys = [_key(entry, config) for entry in entries]
        before = {} if config.fresh else children.before(keys)
        rows: dict[int, EvaluatedRow] = {k: before[key][1] for k, key in enumerate(keys) if key in before}
        if rows:
            console.print(f"{len(rows)} of {len(entries)} campaigns are taken from earlier calls")
        missing = [place for place in range(len(entries)) if place not in rows]
        work = Plays(policies, config.days, config.seed)
        with steps(console, len(missing)) as step:
            for place, played in run_jobs([entries[k] for k in missing], work, backend):
                entry, key = entries[missing[place]], keys[missing[place]]
                tags = {"source_run": entry.run or "none", "agent": entry.agent}
                children.keep(entry.member, key, played.row, tags, _metrics(played.row), {ROWS_FILE: played.agents})
                rows[missing[place]] = played.row
                step(f"played {entry.member.name}")
        ordered = [rows[place] for place in range(len(entries))]
        tracked.log_json(ordered, ROWS_FILE)
        ratios = {r["campaign"]: (r["ratio"], r["vs_mpc"] or 0.0) for r in ordered if r["ratio"] is not None}
        tracked.log_metrics({"campaigns": len(ordered), "faults": len(ordered) - len(ratios)}, 0)
        if ratios:
            tracked.log_metrics({"heldout/ratio_mean": float(np.mean([ratio for ratio, _ in ratios.values()]))}, 0)
            tracked.log_figure(many_plot(ratios, "on held-out days"), "figures/campaigns.png")
    print_evaluated(ordered, console)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(ordered, indent=1) + "\n")
    return tracked.run_id


def _entries(members: Sequence[Member], config: EvaluateManyConfig) -> list[Entry]:
    """Who bids for each campaign: whom the last `train-many` chose for the same one on the same preset, else `mpc`.

    For a log: whom it chose with the training that the log is played under, else whom that training itself did.
    """
    chosen: dict[tuple[str, str], tuple[str, str]] = {}
    by_run: dict[str, str] = {}  # of logs that were judged for what they record themselves
    for found in reversed(finished_runs(JUDGED, experiment=config.experiment)):
        same = found.tags.get(DIGEST, ""), found.tags.get(ON, "")
        choice, source = found.tags.get(CHOICE, ""), found.tags.get("source_run", "none")
        chosen[same] = (choice, source)
        if found.tags.get(ASKED) == "log":
            by_run[source] = choice
    return [
        _of_file(m, *chosen.get((m.digest, m.shares), ("", "none"))) if m.log is None else _of_log(m, by_run, config)
        for m in members
    ]


def _key(entry: Entry, config: EvaluateManyConfig) -> str:
    """What its row depends on; of a log also the training that gives its forecast and days, whoever bids."""
    member, under = entry.member, None if entry.trained is None else entry.trained.part.run
    return key_of(member.digest, member.name, entry.agent, under, config.days, config.seed)


def _of_file(member: Member, choice: str, source: str) -> Entry:
    if choice in CONTROLLERS or choice in ("", "none"):
        return Entry(member, choice if choice in CONTROLLERS else MPC.name, None, None)
    return Entry(member, f"{choice}@{source}", source, None)


def _of_log(member: Member, by_run: Mapping[str, str], config: EvaluateManyConfig) -> Entry:
    """A log is played under the training that fits its market."""
    if member.campaign is not None:
        raise InvalidConfig(
            f"{member.path} plans on a log, all of whose days it may have learnt from. Put the log of other days in "
            "the folder, or play it by `bidpilot evaluate --log`."
        )
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    trained = find_trained(load_log(str(member.log)), None, (), config.experiment)
    run = trained.part.run
    assert run is not None  # nothing else was asked for
    described = json.loads((download(run, "policy") / "policy.json").read_text())
    choice = by_run.get(run) or choice_of(find_run(run), described)
    return Entry(
        member, choice if choice in CONTROLLERS else f"{choice}@{run}", None if choice in CONTROLLERS else run, trained
    )


def _policy(run: str) -> NetworkPolicy:
    folder = download(run, "policy")
    learner = learner_of(json.loads((folder / "policy.json").read_text()))
    return NetworkPolicy.load(folder / "policy.npz", f"{learner}@{run}")


def _metrics(row: EvaluatedRow) -> Mapping[str, float]:
    told = {
        "heldout/ratio_iqm": row["ratio"],
        "heldout/ratio_vs_mpc": row["vs_mpc"],
        "heldout/days": float(row["days"]),
    }
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Plays:
    """Plays one campaign on held-out days; their market is made once for all that share it."""

    policies: Mapping[str, NetworkPolicy]  # by run
    days: int
    seed: int

    def __call__(self, entry: Entry) -> Played:
        """What came of it; the fault of a campaign is its own, and others go on."""
        member = entry.member
        known: dict[str, Any] = {"campaign": member.name, "agent": entry.agent, "run": entry.run}
        try:
            suite = self._suite(entry)
            if entry.run is not None:
                self.policies[entry.run].check(len(suite.arena.forecast.segments))
            own = {} if entry.run is None else {entry.agent: self.policies[entry.run]}
            named = dict.fromkeys((*REFERENCES, entry.agent))
            outcomes: dict[str, Outcome] = {}
            for name in named:
                outcomes |= Contestant(name, own if name == entry.agent else {}).play(suite)
        except BidpilotError as error:
            nothing = dict.fromkeys(("ratio", "vs_mpc", "vs_low", "vs_high"))
            why = f"{type(error).__name__}: {error}"
            return Played(EvaluatedRow(**known, **nothing, on=member.shares, days=0, why=why), ())  # type: ignore[typeddict-item]
        rows = agent_rows(suite, outcomes, {}, self.seed)
        row = next(row for row in rows if row["agent"] == entry.agent)
        gap = outcomes[entry.agent].ratio - outcomes[MPC.name].ratio
        beside = pair_row(suite.name, entry.agent, MPC.name, gap, suite.kept_units, self.seed)
        told = {"vs_mpc": beside["diff"], "vs_low": beside["diff_low"], "vs_high": beside["diff_high"]}
        on = suite.name if entry.trained is not None else member.shares
        return Played(
            EvaluatedRow(**known, **told, on=on, ratio=row["iqm"], days=row["days"], why=""),  # type: ignore[typeddict-item]
            tuple(rows),
        )

    def _suite(self, entry: Entry) -> Suite:
        if entry.trained is not None:
            # Polars loads only where a log is read.
            from bidpilot.envs.logs.storage import load_log

            return log_suite(load_log(str(entry.member.log)), entry.trained)
        config, name = entry.member.preset(), str(entry.member.market)
        market, days = _held_out(config, name, self.days, self.seed)
        campaign, forecast = entry.member.campaign, synthetic_forecast(config, self.seed)
        assert campaign is not None
        check_feasible(entry.member.name, forecast, campaign)
        arena = Arena(market, forecast, campaign, days)
        return Suite(entry.member.name, row_gains(name), arena, np.arange(len(days)))


@lru_cache(maxsize=2)
def _held_out(config: SyntheticConfig, name: str, days: int, seed: int) -> tuple[Market, DayBatch]:
    """The held-out market of a preset, and the first days of its suite."""
    market = synthetic_market(config, seeding.LOG_HELD_OUT, seed)
    return market, market.days(seeding.stream(seeding.suite_domain(name), seed).random((days, market.draws)))
