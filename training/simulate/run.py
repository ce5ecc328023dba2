"""`bidpilot simulate`: what a campaign would bring if one thing were changed, and whether its intervals hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from rich.console import Console

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.bidding.landscape.forecast import Forecast
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

_LEFT_OUT = "left out, since no plan keeps their constraints: "
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
    left_out: list[str]  # scenarios of checks that the days of a check cannot plan


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
            kept, left_out = _plannable(asked.scenarios, asked.on.forecast)
            if not kept or kept[0] is not asked.scenarios[0]:
                raise
            asked = replace(asked, scenarios=kept)
            console.print(f"{_LEFT_OUT}{', '.join(left_out)}", soft_wrap=True)
            played = play(scene.market, scene.forecast, scene.days, asked.scenarios, arm)
    rows = scenario_rows(asked.scenarios, intervals(played, scene.units, config.horizon))
    checked, missing = _checked(asked, console) if config.check else ([], [])
    if missing:
        console.print(f"{_LEFT_OUT}{', '.join(missing)}", soft_wrap=True)
    found = Found(scenarios=rows, checks=checked, coverage=coverage_rows(checked), left_out=missing)
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


def _plannable(asked: Sequence[Scenario], forecast: Forecast) -> tuple[tuple[Scenario, ...], list[str]]:
    """Scenarios that can be planned under a forecast, and the names of the others."""
    planner, kept, left_out = Planner(forecast), list[Scenario](), list[str]()
    for scenario in asked:
        try:
            planner.plan(CampaignBatch.repeat(scenario.told, 1))
        except InfeasibleCampaign:
            left_out.append(scenario.name)
        else:
            kept.append(scenario)
    return tuple(kept), left_out


def _checked(asked: _Asked, console: Console) -> tuple[list[CheckRow], list[str]]:
    """Held-out days against the intervals that other days give, and what some of these cannot plan.

    The forecast of a check is made of other days than all, so that a target that the campaign keeps there may be out of
    reach here. Where that is its own, nothing can be held against it.
    """
    rows, missing = list[CheckRow](), list[str]()
    with steps(console, asked.config.checks) as step:
        for place, (own, held) in enumerate(asked.checks()):
            step(f"check {place + 1}: {len(own.days)} days, {len(held.days)} held out")
            kept, left_out = _plannable(asked.scenarios, own.forecast)
            missing += [f"{name} of check {place + 1}" for name in left_out]
            if not kept or kept[0] is not asked.scenarios[0]:
                continue
            arm = asked.arm(own)
            played = play(own.market, own.forecast, own.days, kept, arm)
            happened = play(held.market, held.forecast, held.days, kept, arm)
            found = intervals(played, own.units, asked.config.horizon)
            rows += check_rows(kept, found, happened, held.units, asked.config.horizon)
    return pooled(rows), missing


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
