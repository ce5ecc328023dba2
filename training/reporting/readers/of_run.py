"""Evidence of a run: what its policy or campaign buys on days that nobody trained on, or how agents compared."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_market
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.ground import Trained
from bidpilot.training.evaluation.of_run import agent_of_run, choice_of
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.run import ROWS_FILE
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.report.progress import Step
from bidpilot.training.report.tables import AgentRow, PreferenceFrontRow
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.errors import NothingToReport
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.readers.of_log import controller
from bidpilot.training.reporting.readers.playing import OF_RUN, Ground, on
from bidpilot.training.reporting.words import number
from bidpilot.training.roi.rows import Rows
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import CampaignFile, read_file
from bidpilot.training.solve.forecast import campaign_ground
from bidpilot.training.tracking import RunInfo, download

KINDS: Final = ("train", "solve", "pareto", "evaluate")
"""Kinds of runs that a report can be of."""
_DRAWN: Final = "Nothing was bought: {agent} plays {days} days that are drawn from {market}, which nobody trained on."
_SOLD: Final = ("solve", "pareto")


def read(run: RunInfo, config: ReportConfig, step: Step) -> Evidence:
    """What a run tells.

    Raises:
        NothingToReport: it is of a portfolio, or of a market that is not there any more.
        UnknownAgent, InvalidConfig: from what was asked for.
        RunNotFound: its files are not there.
        InfeasibleCampaign, NothingBought: no day can keep the constraints, or nothing is won.
    """
    kind = run.tags.get("kind")
    if kind == "evaluate":
        return _evaluated(run)
    with TemporaryDirectory() as folder:
        if kind in _SOLD:
            return on(*_solved(run, config, Path(folder), step), config, step)
        return on(*_trained(run, config, Path(folder), step), config, step)


def _evaluated(run: RunInfo) -> Evidence:
    """An evaluation keeps scores, and not what was bought."""
    with TemporaryDirectory() as folder:
        rows: list[dict[str, Any]] = json.loads(download(run.run_id, ROWS_FILE, Path(folder)).read_text())
    scores = tuple(AgentRow(**row) for row in rows if "iqm" in row)  # type: ignore[typeddict-item]
    fronts = tuple(PreferenceFrontRow(**row) for row in rows if "hypervolume_share" in row)  # type: ignore[typeddict-item]
    if not scores and not fronts:
        raise NothingToReport(f"run {run.told} kept no scores. Name another run.")
    trained = next((str(row["run"]).split(",")[0] for row in rows if row.get("run")), None)
    remedy = f"bidpilot report {trained[:8]}" if trained else "bidpilot report LOG"
    text = f"An evaluation keeps scores, and not what was bought. See what one of its agents buys: {remedy}."
    keys = ("bought", "roi", "channels", "funnel", "tail", "fairness", "users", "pace", "constraints", "incidents",
            "invalid", "decision", "scorecard", "weeks")  # fmt: skip
    lacks = dict.fromkeys(keys, text)
    lacks |= {"front": text} if scores else {"scores": "Agents were compared by their fronts, which are above."}
    return Evidence("run", f"{run.name}", _facts(run), scores=scores, fronts=fronts, lacks=lacks)


def _solved(run: RunInfo, config: ReportConfig, folder: Path, step: Step) -> tuple[Ground, Evidence]:
    """The days of the market that a campaign was planned on, drawn anew; of a log, its own."""
    step(f"reading {run.name}")
    agent = controller(config.agent)
    asked = json.loads(download(run.run_id, "config.json", folder).read_text())
    fields = {name: asked[name] for name in SolveConfig.model_fields if name in asked}
    source = Path(str(asked["file"]))
    file = download(run.run_id, source.name, folder)
    solve = SolveConfig.model_validate(
        fields | {"file": source if source.is_file() and source.read_bytes() == file.read_bytes() else file}
    )
    read_it, profile = read_file(solve.file, solve.profile)
    if not isinstance(read_it, CampaignFile):
        raise NothingToReport(
            f"run {run.told} is of a portfolio, and a report is of one campaign. Solve one of its campaigns alone, and "
            "report that run."
        )
    file_terms, where = campaign_ground(solve, read_it, profile)
    campaign = file_terms.campaign
    log = solve.log or (None if solve.market else read_it.log)
    if log is not None:
        from bidpilot.envs.logs.storage import load_log

        recorded = load_log(log, memory_map=None)
        arena = log_arena(recorded, where.forecast, campaign)
        rows, market = Rows.of_log(recorded), recorded.name
        note = f"Nothing was bought: {agent.name} plays the days of {market}, which the plan was made from."
    else:
        market = solve.market or read_it.market
        weights = {} if profile is None else {"kpi_weights": profile.weights.in_market_order()}
        arena = drawn(PRESETS[market].model_copy(update=weights), where.forecast, campaign, config)
        rows = Rows.numbered(len(arena.days))
        note = _DRAWN.format(agent=agent.name, days=config.days, market=market)
    name = source.stem
    notes = (note, *(() if where.note is None else (f"{where.note[0].upper()}{where.note[1:]}.",)))
    evidence = Evidence("run", f"Campaign {name} on {market}", (*_facts(run), *_terms(campaign)), notes)
    return Ground(f"{name} on {market}", arena, agent, agent.name, campaign, OF_RUN, rows), evidence


def _trained(run: RunInfo, config: ReportConfig, folder: Path, step: Step) -> tuple[Ground, Evidence]:
    """The agent that a training exports, on days that it did not learn from."""
    step(f"reading {run.name}")
    files = download(run.run_id, "policy", folder)
    described = json.loads((files / "policy.json").read_text())
    name = config.agent or choice_of(run, described)
    agent = agent_of_run(name, files, described)
    campaign = Campaign.model_validate(described["campaign"])
    if described["log"] is not None:
        arena, rows, market = _unseen(run, Path(described["log"]))
        note = f"Nothing was bought: {name} plays the days of {market} that the run did not learn from."
    elif described["setting"] in PRESETS:
        market = described["setting"]
        arena = drawn(PRESETS[market], Forecast.load(files / "forecast.npz"), campaign, config)
        rows, note = Rows.numbered(len(arena.days)), _DRAWN.format(agent=name, days=config.days, market=market)
    else:
        raise NothingToReport(
            f"run {run.told} was trained on {described['setting']}, a market that was fitted to a log. Report a log in "
            f"its place: bidpilot report LOG --forecast {run.run_id[:8]}."
        )
    evidence = Evidence("run", f"{run.name} on {market}", (*_facts(run), ("plays", name), *_terms(campaign)), (note,))
    return Ground(f"{name} on {market}", arena, agent, name, campaign, OF_RUN, rows), evidence


def _unseen(run: RunInfo, folder: Path) -> tuple[Arena, Rows, str]:
    """The days of a training's log that it did not learn from."""
    from bidpilot.envs.logs.manifest import MANIFEST_FILE
    from bidpilot.envs.logs.storage import load_log

    if not (folder / MANIFEST_FILE).is_file():
        raise NothingToReport(
            f"the log that run {run.told} learnt from is not at {folder} any more. Report a log under its forecast: "
            f"bidpilot report LOG --forecast {run.run_id[:8]}."
        )
    log, trained = load_log(folder, memory_map=None), Trained.of_run(run)
    left = np.flatnonzero(~trained.part.seen(log))
    if not len(left):
        raise InvalidConfig(
            f"run {run.told} learnt from all days of {log.name}. Report another log under its forecast: bidpilot "
            f"report LOG --forecast {run.run_id[:8]}."
        )
    held_out = log.select_days(left.tolist())
    campaign = trained.campaign.model_copy(update={"budget": held_out.days[0].budget})
    arena = log_arena(held_out, trained.forecast, campaign, trained.targets)
    return arena, Rows.of_log(held_out), log.name


def drawn(settings: SyntheticConfig, forecast: Forecast, campaign: Campaign, config: ReportConfig) -> Arena:
    """Days of a synthetic market's held-out log, of a stream that no suite has."""
    market = synthetic_market(settings, seeding.LOG_HELD_OUT, config.seed)
    stream = seeding.stream(seeding.suite_domain("days of reports"), config.seed)
    return Arena(market, forecast, campaign, market.days(stream.random((config.days, market.draws))))


def _facts(run: RunInfo) -> tuple[tuple[str, str], ...]:
    return (("run", f"{run.run_id[:8]}"), ("kind", run.tags.get("kind", "")), ("status", run.status.lower()))


def _terms(campaign: Campaign) -> tuple[tuple[str, str], ...]:
    """What a campaign asks for, as the first lines of a report."""
    preference = " : ".join(number(w) for w in campaign.preference)
    found = [
        ("budget", number(campaign.budget)),
        ("a conversion is worth", number(campaign.conversion_value)),
        ("preference", f"{preference}, {campaign.scalarisation.replace('_', ' ')}"),
    ]
    if campaign.max_cpa is not None:
        found.append(("cost per conversion at most", number(campaign.max_cpa)))
    if campaign.min_tail_share:
        found.append(("long-tail share at least", f"{100 * campaign.min_tail_share:g} %"))
    return tuple(found)
