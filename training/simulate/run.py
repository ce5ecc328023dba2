"""`bidpilot simulate`: what a campaign would bring if one thing were changed, and whether its intervals hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from rich.console import Console

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.cli.config import changed
from bidpilot.training.experiments.arms import Arm, named_arm
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import steps, waiting
from bidpilot.training.report.simulate import (
    CheckRow,
    CoverageRow,
    ScenarioRow,
    base_table,
    change_table,
    check_table,
    coverage_rows,
    what_if_figure,
)
from bidpilot.training.report.tables import print_table
from bidpilot.training.simulate.config import SimulateConfig
from bidpilot.training.simulate.ground import Pair, Scene, log_checks, log_scene, preset_checks, preset_scene
from bidpilot.training.simulate.outcomes import METRICS
from bidpilot.training.simulate.play import play
from bidpilot.training.simulate.rows import DAY, check_rows, intervals, pooled, scenario_rows
from bidpilot.training.simulate.scenarios import Scenario, scenarios
from bidpilot.training.solve.files import CampaignFile, read_file
from bidpilot.training.solve.forecast import Ground, campaign_ground, preset_settings
from bidpilot.training.tracking import open_run

_SHOWN = ("spend", "conversion", "cpa", "roi", "interaction", "exposure", "tail_share", "utility")


@dataclass(frozen=True)
class _Asked:
    """What is simulated, and where."""

    config: SimulateConfig
    file: CampaignFile
    on: Ground
    scenarios: tuple[Scenario, ...]
    settings: SyntheticConfig | None  # of a preset
    log: AuctionLog | None  # in its place

    def scene(self) -> Scene:
        """The forecast's own days."""
        if self.log is not None:
            return log_scene(self.log, np.arange(self.log.n_days), self.on.forecast)
        assert self.settings is not None
        return preset_scene(self.on.name, self.settings, self.config.days, self.config.seed)

    def checks(self) -> Iterator[Pair]:
        """Pairs of days that intervals are made from, and of held-out ones."""
        if self.log is not None:
            return log_checks(self.log, self.config)
        assert self.settings is not None
        return preset_checks(self.on.name, self.settings, self.config)

    def arm(self, scene: Scene) -> Arm:
        """What bids."""
        return named_arm(self.config.agent, scene.gains, self.config.experiment)


class Found(TypedDict):
    """What was found; the keys are those of the JSON file."""

    scenarios: list[ScenarioRow]
    checks: list[CheckRow]  # empty where nothing was held out, and so are the next
    coverage: list[CoverageRow]


def run(config: SimulateConfig) -> Found:
    """Play the scenarios, and held-out days where asked; print, draw, log and write a row per scenario and metric.

    Raises:
        InvalidConfig: the file is a portfolio's, or a log has too few days to hold some out.
        InvalidCampaign, UnknownProfile: the file's faults, with its name.
        UnknownAgent, RunNotFound, AmbiguousRun: no such agent.
        ZeroIdealPoint, UnknownChannel, NoTailContent, InfeasibleCampaign: the campaign as it is cannot be planned.
        InvalidLog, InvalidMarket: the folder holds no usable log.
    """
    console = Console()
    with waiting(console, "making the forecast"):
        asked = _asked(config)
        scene = asked.scene()
        arm = asked.arm(scene)
    with waiting(console, f"playing {len(asked.scenarios)} scenarios on {len(scene.days)} days of {scene.name}"):
        try:
            played = play(scene.market, scene.forecast, scene.days, asked.scenarios, arm)
        except InfeasibleCampaign:
            asked, left_out = _plannable(asked)
            console.print(f"left out, since no plan keeps their constraints: {', '.join(left_out)}", soft_wrap=True)
            played = play(scene.market, scene.forecast, scene.days, asked.scenarios, arm)
    rows = scenario_rows(asked.scenarios, intervals(played, scene.units, config.horizon))
    checked = _checked(asked, console) if config.check else []
    found = Found(scenarios=rows, checks=checked, coverage=coverage_rows(checked))
    _tell(asked, found, console)
    return found


def _asked(config: SimulateConfig) -> _Asked:
    file, profile = read_file(config.file)
    if not isinstance(file, CampaignFile):
        raise InvalidConfig(f"{config.file} is a portfolio, and one campaign is simulated. Give its file.")
    file, on = campaign_ground(config, file, profile)
    found = scenarios(file.campaign, config, on.forecast.landscape.mean_value > 0)
    folder = config.log or (None if config.market else file.log)
    if folder is None:
        return _Asked(config, file, on, found, preset_settings(on.name, profile), None)
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    return _Asked(config, file, on, found, None, load_log(folder))


def _plannable(asked: _Asked) -> tuple[_Asked, list[str]]:
    """The same without the scenarios that cannot be planned, and their names.

    Raises:
        InfeasibleCampaign: the campaign as it is cannot.
    """
    planner, left_out = Planner(asked.on.forecast), []
    for scenario in asked.scenarios:
        try:
            planner.plan(CampaignBatch.repeat(scenario.told, 1))
        except InfeasibleCampaign:
            if scenario.group == "base":
                raise
            left_out.append(scenario.name)
    kept = tuple(scenario for scenario in asked.scenarios if scenario.name not in left_out)
    return replace(asked, scenarios=kept), left_out


def _checked(asked: _Asked, console: Console) -> list[CheckRow]:
    """Held-out days against the intervals that other days give."""
    rows: list[CheckRow] = []
    with steps(console, asked.config.checks) as step:
        for place, (own, held) in enumerate(asked.checks()):
            step(f"check {place + 1}: {len(own.days)} days, {len(held.days)} held out")
            arm = asked.arm(own)
            played = play(own.market, own.forecast, own.days, asked.scenarios, arm)
            happened = play(held.market, held.forecast, held.days, asked.scenarios, arm)
            found = intervals(played, own.units, asked.config.horizon)
            rows += check_rows(asked.scenarios, found, happened, held.units, asked.config.horizon)
    return pooled(rows)


def _tell(asked: _Asked, found: Found, console: Console) -> None:
    config, file, rows = asked.config, asked.file, found["scenarios"]
    figure = what_if_figure(rows, _SHOWN, config.horizon)
    params = changed(config) | {f"campaign.{k}": v for k, v in changed(file.campaign).items()}
    name, tags = f"simulate {config.file.stem}", {"ground": asked.on.name}
    with open_run(config.experiment, name, params, tags, kind="simulate", config=config) as tracked:
        tracked.log_artifact(config.file)
        tracked.log_metrics(_metrics(found), 0)
        tracked.log_json(found, "simulated.json")
        tracked.log_figure(figure, "figures/what_if.png")
    if asked.on.note is not None:
        console.print(asked.on.note)
    title = f"{config.file.stem} on {asked.on.name}, bid by {config.agent}"
    print_table(base_table(rows, title, config.horizon), console)
    print_table(change_table(rows, _SHOWN), console)
    if found["coverage"]:
        print_table(check_table(found["coverage"], f"held-out days of {asked.on.name}"), console)
    console.print(f"next: bidpilot solve {config.file} plans it; bidpilot ab plan says how long a trial takes")
    write_json(config.json_file, found)
    write_figure(config.figure, figure)


def _metrics(found: Found) -> dict[str, float]:
    base = {row["metric"]: row["mean"] for row in found["scenarios"] if row["group"] == "base"}
    metrics = {f"base/{metric}": mean for metric in METRICS if (mean := base[metric]) is not None}
    for row in found["coverage"]:
        if row["kind"] == DAY:
            metrics[f"covered_{100 * row['level']:.0f}/{row['metric']}"] = row["covered"]
    return metrics
