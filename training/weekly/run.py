"""`bidpilot weekly`: the week against the week before, and the scorecard of both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.solvers.allocation import allocate
from bidpilot.training.cli.config import changed
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.roi.intervals import Array
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.setting.profiles import find_profile
from bidpilot.training.tracking import open_run
from bidpilot.training.weekly.config import WeeklyConfig
from bidpilot.training.weekly.scorecard import Limits, Planned, Scorecard, scorecard
from bidpilot.training.weekly.shown import print_week, week_figure
from bidpilot.training.weekly.weeks import WeekComparison, compare_weeks

NOTE_PLAYED: Final = "played on the recorded days by {agent}, under the forecast of {whose}"


@dataclass(frozen=True)
class Week:
    """What the command found."""

    comparison: WeekComparison
    card: Scorecard  # of this week
    before: Scorecard  # of the week before

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"comparison": asdict(self.comparison), "card": asdict(self.card), "before": asdict(self.before)}


@dataclass(frozen=True, eq=False)
class Bought:
    """What was bought, and what it is held against."""

    purchases: Purchases
    campaign: Campaign  # whose limits and preference count
    forecast: Forecast | None  # that its plan is made on
    ratios: Array | None  # (D,) R / R*, NaN where not known; None of served days
    whose: str  # plan, for people


def run(config: WeeklyConfig) -> Week:
    """Compare the weeks; print, draw, log and write what was found.

    Raises:
        TooFewDays: there are no two weeks, or `until` is no day of them.
        NotALog, DamagedLog, NoFilesMatched, UnreadableFile, UnknownCampaign, NothingBought: from the folder.
        UnknownProfile, InvalidBundle, InvalidConfig: from what it is held against.
    """
    console = Console()
    with waiting(console, f"reading {config.log}"):
        bought = read(config)
    week = weigh(bought, config)
    figure = week_figure(week.comparison)
    tags = {"told": week.comparison.told}
    with open_run(
        config.experiment, f"weekly {config.log.name}", changed(config), tags, kind="week", config=config
    ) as to:
        to.log_json(week.record(), "week.json")
        to.log_metrics(_metrics(week), 0)
        to.log_figure(figure, "figures/week.png")
    print_week(week.comparison, week.card, week.before, console)
    write_json(config.json_file, week.record())
    write_figure(config.figure, figure)
    return week


def read(config: WeeklyConfig) -> Bought:
    """What was bought in a log or by served campaigns, with the campaign's terms as they are asked for."""
    bundle = None if config.bundle is None else load_bundle(config.bundle)
    if (config.log / MANIFEST_FILE).is_file():
        from bidpilot.envs.logs.storage import load_log
        from bidpilot.training.evaluation.suites import log_arena
        from bidpilot.training.roi.played import played
        from bidpilot.training.roi.rows import Rows
        from bidpilot.training.setting.setting import recorded_setting

        log = load_log(config.log)
        setting = recorded_setting(log, config)
        forecast = setting.forecast if bundle is None else bundle.forecast
        whose = "all of its own days" if bundle is None else f"bundle {bundle.manifest.name}"
        campaign = _agreed(setting.campaign, config)
        arena = log_arena(log, forecast, campaign, config.targets)
        found = played(arena, controller_agent(MPC.name), log.name, Rows.of_log(log))
        notes = (NOTE_PLAYED.format(agent=MPC.name, whose=whose), *log.notes, *found.purchases.notes)
        purchases = replace(found.purchases, notes=notes)
        return Bought(purchases, campaign, forecast, found.ratio, f"the plan on the forecast of {whose}")
    from bidpilot.training.importing.run import reads_plain
    from bidpilot.training.roi.served import served_purchases

    served = served_purchases([config.log], config.campaigns, reads_plain(config.key_file))
    own = Campaign(budget=1.0) if bundle is None else bundle.manifest.campaign
    campaign = _agreed(own.model_copy(update={"budget": float(served.budget.mean())}), config)
    whose = "" if bundle is None else f"the plan of bundle {bundle.manifest.name}"
    return Bought(served, campaign, None if bundle is None else bundle.forecast, None, whose)


def weigh(bought: Bought, config: WeeklyConfig) -> Week:
    """The comparison, and the scorecards of both weeks."""
    comparison = compare_weeks(bought.purchases, bought.campaign.preference, config.until, config.alpha)
    days = bought.purchases.days
    masks = [np.isin(days, part) for part in (comparison.days, comparison.before)]
    limits = Limits.of(bought.campaign, config.pace, config.max_invalid_share)
    plan = _planned(bought, masks[0] | masks[1])
    now, before = (
        scorecard(bought.purchases.of_days(mask), limits, plan, _known(bought.ratios, mask), config.alpha)
        for mask in masks
    )
    return Week(comparison, now, before)


def _agreed(campaign: Campaign, config: WeeklyConfig) -> Campaign:
    """The campaign with the terms and the profile that were asked for; a preference that is typed goes first."""
    if config.profile is not None:
        preference = find_profile(config.profile, Path()).preference
        campaign = campaign.model_copy(update={"preference": preference})
    return config.agreed(campaign)


def _planned(bought: Bought, days: NDArray[np.bool_]) -> Planned | None:
    """What is planned of a day's money, of all campaigns of a log together."""
    if bought.forecast is None:
        return None
    plan, daily = allocate(bought.forecast, bought.campaign), float(bought.purchases.budget[days].mean())
    many = daily / bought.campaign.budget
    kpi, ideal = ((float(x[0]), float(x[1]), float(x[2])) for x in (many * plan.kpi, many * plan.ideal))
    return Planned(many * float(plan.spend.sum()), kpi, bought.campaign.preference, ideal, bought.whose)


def _known(ratios: Array | None, mask: NDArray[np.bool_]) -> Array | None:
    if ratios is None:
        return None
    found = ratios[mask]
    return found[np.isfinite(found)]


def _metrics(week: Week) -> dict[str, float]:
    """What a run shows: the parts of the scorecard, and the changes that have a value."""
    parts = {name: getattr(week.card, name) for name in ("compliance", "cost", "efficiency")}
    changes = {f"change/{d.measure}": d.change.value for d in (week.comparison.utility, *week.comparison.differences)}
    return {name: float(value) for name, value in (parts | changes).items() if value is not None}
