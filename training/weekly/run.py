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
from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.training.cli.config import changed
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.roi.intervals import Array
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.setting.profiles import find_profile
from bidpilot.training.tracking import open_run
from bidpilot.training.weekly.config import WeeklyConfig
from bidpilot.training.weekly.planned import planned_day
from bidpilot.training.weekly.scorecard import Limits, Scorecard, scorecard
from bidpilot.training.weekly.shown import print_week, week_figure
from bidpilot.training.weekly.weeks import WeekComparison, compare_weeks
from bidpilot.training.weekly.weighed import USUAL, Weighed

NOTE_PLAYED: Final = "played on the recorded days by {agent} at {auction} price, under the forecast of {whose}"


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
    campaign: Campaign  # whose limits count, and which is planned
    weighed: Weighed  # whose preference counts
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
    return _played(config, bundle) if (config.log / MANIFEST_FILE).is_file() else _served(config, bundle)


def _played(config: WeeklyConfig, bundle: Bundle | None) -> Bought:
    """What mpc buys of an imported log, for the campaign of the bundle or of the log itself."""
    from bidpilot.envs.logs.storage import load_log
    from bidpilot.training.evaluation.suites import log_arena
    from bidpilot.training.roi.played import played
    from bidpilot.training.roi.rows import Rows
    from bidpilot.training.setting.setting import recorded_setting

    log = load_log(config.log)
    setting = recorded_setting(log, config)
    own = {name: getattr(setting.campaign, name) for name in ("budget", "conversion_value")}
    if bundle is None:
        forecast, whose, campaign = setting.forecast, "all of its own days", setting.campaign
    else:
        forecast, whose = bundle.forecast, f"bundle {bundle.manifest.name}"
        campaign = bundle.manifest.campaign.model_copy(update=own)
    campaign, weighed = _agreed(campaign, config, USUAL if bundle is None else f"as {whose} does")
    arena = log_arena(log, forecast, campaign, config.targets)
    found = played(arena, controller_agent(MPC.name), log.name, Rows.of_log(log))
    notes = (
        NOTE_PLAYED.format(agent=MPC.name, auction=campaign.auction, whose=whose),
        *log.notes,
        *found.purchases.notes,
    )
    purchases = replace(found.purchases, notes=notes)
    return Bought(purchases, campaign, weighed, forecast, found.ratio, f"the plan on the forecast of {whose}")


def _served(config: WeeklyConfig, bundle: Bundle | None) -> Bought:
    """What a bid server bought, for the campaign of its bundle where that is named."""
    from bidpilot.training.importing.run import reads_plain
    from bidpilot.training.roi.served import served_purchases

    served = served_purchases([config.log], config.campaigns, reads_plain(config.key_file))
    if bundle is None:
        usual = Weighed.usual(served)
        campaign, weighed = _agreed(Campaign(budget=1.0, preference=usual.preference), config, usual.whose)
        return Bought(served, campaign, weighed, None, None, "")
    whose = f"bundle {bundle.manifest.name}"
    campaign, weighed = _agreed(bundle.manifest.campaign, config, f"as {whose} does")
    return Bought(served, campaign, weighed, bundle.forecast, None, f"the plan of {whose}")


def weigh(bought: Bought, config: WeeklyConfig) -> Week:
    """The comparison, and the scorecards of both weeks."""
    comparison = compare_weeks(bought.purchases, bought.weighed, config.until, config.alpha)
    days = bought.purchases.days
    masks = [np.isin(days, part) for part in (comparison.days, comparison.before)]
    limits = Limits.of(bought.campaign, config.pace, config.max_invalid_share)
    both, forecast = bought.purchases.of_days(masks[0] | masks[1]), bought.forecast
    plan = None if forecast is None else planned_day(forecast, bought.campaign, both, bought.whose)
    now, before = (
        scorecard(bought.purchases.of_days(mask), limits, plan, _known(bought.ratios, mask), config.alpha)
        for mask in masks
    )
    return Week(comparison, now, before)


def _agreed(campaign: Campaign, config: WeeklyConfig, whose: str) -> tuple[Campaign, Weighed]:
    """The campaign with the terms and the profile that were asked for; a preference that is typed goes first.

    `whose` is the preference that it has of its own.
    """
    if config.profile is not None:
        preference = find_profile(config.profile, Path()).preference
        campaign, whose = campaign.model_copy(update={"preference": preference}), f"as profile {config.profile} does"
    if "preference" in config.terms():
        whose = "as --preference does"
    agreed = config.agreed(campaign)
    return agreed, Weighed(agreed.preference, whose)


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
