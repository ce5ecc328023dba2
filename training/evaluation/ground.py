"""What a recorded log is played under: the forecast of its own training part, found by what runs learnt from.

A log does not say which market it is of. Forecast and log may be of one market where slots and segments are the same
and prices alike; where that leaves no training or more than one, it is asked for, since a forecast of another market
gives wrong numbers without a word.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import ForecastMismatch, InvalidConfig, RunNotFound
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.envs.logs.shards import SHARDS_FILE
from bidpilot.envs.markets.fitted.model import MODEL_FILE
from bidpilot.envs.markets.recorded.carrying import AskedCarried
from bidpilot.envs.synthetic.generate import SEGMENTS
from bidpilot.training.evaluation.of_run import unplayable
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.split import days_digest
from bidpilot.training.setting.targets import asked_campaign
from bidpilot.training.tracking import RunInfo, download, finished_runs, resolve_run
from bidpilot.training.tracking.learned import Fit, latest_run_of
from bidpilot.training.tracking.lineage import ON_A_PRESET, Lineage, on_whole_log

LIKE_PRICES: Final = 1.5
"""How far mean prices of one market may lie apart. Of the eight iPinYou advertisers in the price histograms of the
shared data, test days have 0.93 to 1.23 times the mean price of training days; AuctionNet's periods 10 to 19 have 1.02
times that of 0 to 9."""

_REMEDY = "Say whose forecast it is: --forecast RUN, or --forecast FOLDER of an imported log of its training days."


@dataclass(frozen=True)
class TrainingPart:
    """The days that a training run, or a forecast, learnt from."""

    name: str  # of the log, or of the preset
    lineage: Lineage
    days: frozenset[str] = frozenset()  # digests of days; empty where a run does not say
    run: str | None = None  # id of the run; None where no run learnt from them

    @classmethod
    def of_run(cls, run: RunInfo, folder: Path) -> TrainingPart:
        """What a run says, with its artifacts `policy/` in `folder`."""
        file = folder / "policy.json"
        stored = json.loads(file.read_text()) if file.is_file() else {}
        days = frozenset(day["digest"] for day in stored.get("training_days", ()))
        return cls(run.tags.get("setting", run.name), Lineage.of(run), days, run.run_id)

    def seen(self, log: AuctionLog) -> NDArray[np.bool_]:
        """(D,) true for the days of `log` that were learnt from."""
        whole = self.lineage.log in (log.digest, f"fitted:{log.digest}")
        return np.array([digest in self.days or (whole and not self.days) for digest in log.day_digests])

    def __str__(self) -> str:
        log = self.lineage.log
        what = self.name if log is None else f"{self.name} ({log[:15] if log.startswith('fitted') else log[:8]})"
        what += ", in money" if log is not None and self.lineage.carries == "money" else ""
        return what if self.run is None else f"{what}, run {self.run[:8]}"


@dataclass(frozen=True)
class Trained:
    """What a log is played under: the forecast and the campaign of a training, and what it learnt from."""

    forecast: Forecast
    campaign: Campaign  # what was asked for; days bring what they record beside it
    part: TrainingPart
    targets: bool = True  # whether training's days had the targets that they record

    @property
    def name(self) -> str:
        """Of the log that was trained on."""
        return self.part.name

    @classmethod
    def of_run(cls, run: RunInfo) -> Trained:
        """What a run stored.

        Raises:
            RunNotFound: the run was trained on no log, or its files are not there.
        """
        folder = download(run.run_id, "policy")
        stored = json.loads((folder / "policy.json").read_text())
        if stored["log"] is None:
            raise RunNotFound(
                f"run {run.run_id} was trained on {stored['setting']}, not on a log, and has no forecast for one. "
                "Train with --log first, or name a run that was."
            )
        campaign, targets = asked_campaign(Campaign.model_validate(stored["campaign"]), stored.get("targets"))
        return cls(Forecast.load(folder / "forecast.npz"), campaign, TrainingPart.of_run(run, folder), targets)

    def strangeness(self, log: AuctionLog) -> str:
        """Why its forecast is of another market than `log`; empty where it may be of the same."""
        return "" if self.part.lineage.log == log.digest else strangeness(log, self.forecast)


def strangeness(log: AuctionLog, forecast: Forecast) -> str:
    """What tells the market of a forecast from that of a log, in words; empty where nothing does."""
    if forecast.slots != log.slots:
        return f"its days have {forecast.slots} slots, {log.name} has {log.slots}"
    if forecast.segments != log.segments:
        return f"its segments are {_listed(forecast.segments)}, {log.name} has {_listed(log.segments)}"
    mean, own = float(log.market_price.mean(dtype=np.float64)), forecast.landscape.mean_price
    if max(mean, own) > LIKE_PRICES * min(mean, own):
        return f"its mean price is {own:.4g}, {log.name} has {mean:.4g}"
    return ""


def find_trained(
    log: AuctionLog,
    asked: str | None,
    named: Sequence[RunInfo],
    experiment: str,
    learner: str | None = None,
    carries: AskedCarried = "auto",
) -> Trained:
    """What `log` is played under: as asked, else by the runs that are named, else by its own training part.

    Args:
        log: what is to be played.
        asked: a run by id or name, or folder of an imported log, whose forecast is taken whatever it is of; None to
            find one.
        named: runs that are to be played; those of another market do not decide.
        experiment: where trainings are looked for; those with campaigns held out by name are left out.
        learner: whose latest run of the part is taken, where it has one.
        carries: what of conversions a forecast holds that is fitted on the folder of a log.

    Raises:
        RunNotFound: no run of that id, or nothing was trained on a log.
        InvalidConfig: the log that was asked for shares days with the one that is played.
        ForecastMismatch: runs that are named have different forecasts, or no log that was trained on, or more than
            one, may be of the log's market.
    """
    if asked is not None:
        return _asked(log, asked, carries)
    found = [Trained.of_run(run) for run in named if Lineage.of(run).log is not None]
    fitting = [trained for trained in found if not trained.strangeness(log)]
    own = {trained.part.lineage.forecast: trained for trained in reversed(fitting)}
    if len(own) > 1:
        parts = "; ".join(str(trained.part) for trained in reversed(own.values()))
        raise ForecastMismatch(
            "the runs that are named learnt from different days, or some in rates and some in money, so that no one "
            f"forecast is theirs: {parts}. Name runs of one training part and form, or say whose forecast all are to "
            "be played under: --forecast RUN or FOLDER."
        )
    _check_one_campaign(fitting)
    return next(iter(own.values())) if own else _its_own(log, experiment, learner)


def _check_one_campaign(trained: Sequence[Trained]) -> None:
    """Refuse to choose among the campaigns of several runs, under one of which all would be played.

    Raises:
        InvalidConfig: runs of the same days were trained for different campaigns.
    """
    for other in trained[1:]:
        first = trained[0]
        if (other.campaign, other.targets) != (first.campaign, first.targets):
            raise InvalidConfig(
                f"run {first.part.run} was trained for another campaign than run {other.part.run}, and all agents are "
                f"played under one. Say whose it is: --forecast {first.part.run} or {other.part.run}."
            )


def latest_learnt(
    learner: str | None, experiment: str, trained: Trained | None, presets: Collection[str] = ()
) -> RunInfo:
    """The latest run of a learner (None: of any) that fits, and whose policy this version can play there.

    One on the days that `trained` learnt from; where that is None, one on these `presets`, or else on any.

    Raises:
        RunNotFound: there is none; says why those that would be later do not do.
    """
    if trained is None:
        try:
            own = ("on " + " or ".join(presets), lambda r: r.tags.get("setting") in presets and ON_A_PRESET[1](r))
            return _latest_playable(learner, experiment, own, len(SEGMENTS))
        except RunNotFound:
            return _latest_playable(learner, experiment, ON_A_PRESET, len(SEGMENTS))
    part, segments = trained.part, len(trained.forecast.segments)
    if part.run is not None:
        words = f"on the training days of {part}"
        same = (words, lambda r: Lineage.of(r).forecast == part.lineage.forecast)
        return _latest_playable(learner, experiment, same, segments)
    whole = on_whole_log(str(part.lineage.log), str(part), part.lineage.carries)
    return _latest_playable(learner, experiment, whole, segments)


def _latest_playable(learner: str | None, experiment: str, fits: Fit, segments: int) -> RunInfo:
    """The latest run of a learner that fits and can be played on so many segments.

    Raises:
        RunNotFound: there is none; says why the latest that fits cannot be played.
    """
    passed: list[str] = []

    def plays(run: RunInfo) -> bool:
        why = unplayable(run, segments) if fits[1](run) else "."
        if why not in ("", "."):
            passed.append(f"run {run.told}: {why}")
        return not why

    try:
        return latest_run_of(learner, experiment, fits=(fits[0], plays))
    except RunNotFound as error:
        if not passed:
            raise
        more = f", and {len(passed) - 1} before it" if len(passed) > 1 else ""
        raise RunNotFound(f"{error}. Passed over: {passed[0]}{more}") from None


def _asked(log: AuctionLog, asked: str, carries: AskedCarried) -> Trained:
    """The forecast of a run, or of all days of an imported log."""
    folder = Path(asked)
    if not any((folder / file).is_file() for file in (MANIFEST_FILE, SHARDS_FILE, MODEL_FILE)):
        if folder.is_dir():
            raise InvalidConfig(f"--forecast {asked} is a folder that holds no log. Name an imported log, or a run.")
        return Trained.of_run(resolve_run(asked))
    setting = training_setting("", folder, 0, carries=carries)
    days = () if setting.reference_log is None else setting.reference_log.day_digests
    shared = set(days) & set(log.day_digests)
    if shared:
        label = next(d.label for d, digest in zip(log.days, log.day_digests, strict=True) if digest in shared)
        raise InvalidConfig(
            f"{len(shared)} of the {log.n_days} days of {log.name} are in {asked} too, {label!r} for one. Fit the "
            "forecast on a log of other days."
        )
    held = "money" if setting.forecast.conversion_value is None else "rates"
    if setting.reference_log is None:
        lineage = Lineage(f"fitted:{setting.fitted_to}", f"fitted:{setting.fitted_to}", carries=held)
    else:
        whole = range(setting.reference_log.n_days)
        lineage = Lineage(setting.reference_log.digest, days_digest(setting.reference_log, whole), carries=held)
    return Trained(setting.forecast, setting.campaign, TrainingPart(setting.name, lineage, frozenset(days)))


def _its_own(log: AuctionLog, experiment: str, learner: str | None) -> Trained:
    """Of the one training part in the store that may be of the log's market."""
    by_log: dict[str, list[RunInfo]] = {}
    for run in finished_runs(experiment=experiment):
        lineage = Lineage.of(run)
        if lineage.log is not None and not lineage.held_out:
            by_log.setdefault(lineage.log, []).append(run)
    if not by_log:
        raise RunNotFound(
            f"no finished training run on a log, whose forecast {log.name} could be played under. Train with --log "
            "first, or give --forecast FOLDER of an imported log of its training days."
        )
    trained = [Trained.of_run(_latest(runs, learner)) for key, runs in by_log.items() if key == log.digest]
    trained = trained or [Trained.of_run(_latest(runs, learner)) for runs in by_log.values()]
    fitting = [each for each in trained if not each.strangeness(log)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        there = "; ".join(str(each.part) for each in fitting)
        raise ForecastMismatch(f"{log.name} may be of the market of {len(fitting)} logs: {there}. {_REMEDY}")
    there = "; ".join(f"{each.part}: {each.strangeness(log)}" for each in trained)
    raise ForecastMismatch(f"no training run is on a log of the market of {log.name}. There is {there}. {_REMEDY}")


def _latest(runs: Sequence[RunInfo], learner: str | None) -> RunInfo:
    """The learner's first of runs, the latest first; the first of any where it has none."""
    return next((run for run in runs if learner_of(run.tags) == learner), runs[0])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
