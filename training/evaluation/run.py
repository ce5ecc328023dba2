"""`bidpilot evaluate`: agents on suites, R / R* with intervals, and paired differences."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from bidpilot.agents.agent import controller_agent
from bidpilot.agents.controllers import CONTROLLERS, MPC
from bidpilot.agents.policy import MlpPolicy
from bidpilot.bidding.errors import InvalidConfig, PolicyMismatch, RunNotFound, UnknownAgent
from bidpilot.bidding.forecast import Forecast
from bidpilot.envs.presets import PRESETS
from bidpilot.training.config import EvaluateConfig, flat
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.statistics import interquartile_mean, interval
from bidpilot.training.evaluation.suites import Suite, log_suite, preset_suite
from bidpilot.training.report.comparison import Interval, interval_plot, ratio_distribution
from bidpilot.training.report.tables import AgentRow, PairRow, print_tables
from bidpilot.training.tracking import download, find_run, latest_finished_run, open_run

INFORMED = "mpc_informed"
"""The model-predictive controller told the levels to come: it bounds the room above the one that is not."""
_SLIGHT = 0.001  # relative excess over a constraint that still counts as kept
ALL_AGENTS = ("constant", *CONTROLLERS, INFORMED, "ppo")


def run(config: EvaluateConfig) -> None:
    """Play every agent on every suite; print, log and write the rows.

    Raises:
        UnknownAgent, UnknownSuite, RunNotFound: before anything is played.
    """
    console = Console()
    named = config.agents or ALL_AGENTS
    for agent in named:
        if agent.partition("@")[0] not in ALL_AGENTS:
            raise UnknownAgent(f"no agent is called {agent!r}. Use one of: {', '.join(ALL_AGENTS)}, ppo@RUN.")
    if config.log is not None and config.suites:
        raise InvalidConfig(
            f"--log is a suite of its own; got --suites {' '.join(config.suites)} too. Give one of them."
        )
    policies = {a: _policy_run(a, config) for a in named if a.startswith("ppo")}
    suites = _suites(config, next(iter(policies.values()), None))
    rows: list[AgentRow] = []
    pairs: list[PairRow] = []
    with open_run(config.experiment, "evaluate", flat(config), kind="evaluate") as tracked:
        for suite in suites:
            outcomes: dict[str, Outcome] = {}
            for agent in named:
                console.print(f"playing {agent} on {suite.name} ...")
                outcomes[agent] = _play(agent, suite, policies.get(agent))
            rows += [_agent_row(a, suite, o, config.seed) for a, o in outcomes.items()]
            pairs += _pair_rows(suite, outcomes, config.seed)
            figure = ratio_distribution({a: o.ratio for a, o in outcomes.items()}, f"R / R* over days: {suite.name}")
            tracked.log_figure(figure, f"figures/ratio_{suite.name}.png")
        intervals = [Interval(r["agent"], r["suite"], r["iqm"], r["ci_low"], r["ci_high"]) for r in rows]
        tracked.log_figure(interval_plot(intervals), "figures/agents.png")
        tracked.log_metrics({f"{r['suite']}/{r['agent'].partition('@')[0]}": r["iqm"] for r in rows}, 0)
        everything: list[AgentRow | PairRow] = [*rows, *pairs]
        tracked.log_json(everything, "evaluation.json")
    print_tables(rows, pairs, console)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(everything, indent=1) + "\n")
        console.print(f"rows written to {config.json_file}")


def _policy_run(agent: str, config: EvaluateConfig) -> str:
    """Id of the run that an agent `ppo` or `ppo@RUN` stands for."""
    _, _, run_id = agent.partition("@")
    if run_id:
        return find_run(run_id).run_id
    return latest_finished_run("train", experiment=config.experiment).run_id


def _suites(config: EvaluateConfig, run_id: str | None) -> Sequence[Suite]:
    if config.log is None:
        return [
            preset_suite(name, config.days, config.seed, _limits(config)) for name in config.suites or tuple(PRESETS)
        ]
    if run_id is None:
        run_id = latest_finished_run("train", experiment=config.experiment).run_id
    folder = download(run_id, "policy")
    setting = json.loads((folder / "policy.json").read_text())
    if setting["log"] is None:
        raise RunNotFound(
            f"run {run_id} was trained on {setting['setting']}, not on a log, and has no forecast for one. "
            "Train with --log first, or name such a run as ppo@RUN."
        )
    return [
        log_suite(config.log, lambda: (setting["setting"], Forecast.load(folder / "forecast.npz")), _limits(config))
    ]


def _limits(config: EvaluateConfig) -> dict[str, float]:
    """Constraints that the suites' campaigns are given."""
    named = {"max_cpa": config.max_cpa, "min_tail_share": config.min_tail_share}
    return {name: value for name, value in named.items() if value is not None}


def _play(agent: str, suite: Suite, run_id: str | None) -> Outcome:
    gains = suite.gains
    if agent == "constant":
        return suite.arena.play_constant(**gains.get("constant", {}))
    if agent == INFORMED:
        return suite.arena.play(controller_agent(MPC.name, gains.get(MPC.name)), informed=True)
    if run_id is None:
        return suite.arena.play(controller_agent(agent, gains.get(agent)))
    try:
        return suite.arena.play(MlpPolicy.load(download(run_id, "policy") / "policy.npz", agent))
    except PolicyMismatch as error:
        raise PolicyMismatch(f"{agent} (run {run_id}) cannot play {suite.name}: {error}") from error


def _agent_row(agent: str, suite: Suite, outcome: Outcome, seed: int) -> AgentRow:
    low, high = interval(outcome.ratio, suite.units[suite.arena.kept], np.random.default_rng(seed))
    return AgentRow(
        agent=agent,
        suite=suite.name,
        iqm=interquartile_mean(outcome.ratio),
        ci_low=low,
        ci_high=high,
        p5=float(np.quantile(outcome.ratio, 0.05)),
        spend_share=float(outcome.spend_share.mean()),
        violation_rate=float((outcome.violation > _SLIGHT).mean()),
        violation_size=float(outcome.violation.mean()),
        days=len(outcome.ratio),
    )


def _pair_rows(suite: Suite, outcomes: dict[str, Outcome], seed: int) -> list[PairRow]:
    """Every later agent against every earlier one, paired by day; means, not trimmed."""
    names = list(outcomes)
    rows = []
    for k, agent in enumerate(names):
        for against in names[:k]:
            gap = outcomes[agent].ratio - outcomes[against].ratio
            low, high = interval(gap, suite.units[suite.arena.kept], np.random.default_rng(seed), trim=0.0)
            rows.append(
                PairRow(
                    agent=agent,
                    against=against,
                    suite=suite.name,
                    diff=float(gap.mean()),
                    diff_low=low,
                    diff_high=high,
                )
            )
    return rows
