"""Evidence of an imported log, whose days an agent plays."""

from __future__ import annotations

from pathlib import Path

from bidpilot.agents.acting.agent import ControllerAgent, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.bidding.errors import UnknownAgent
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.decisions import REASON_REFUSED
from bidpilot.envs.logs.storage import load_log, read_set_aside
from bidpilot.training.evaluation.ground import find_trained
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.report.progress import Step
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.readers.playing import OF_RUN, Ground, on
from bidpilot.training.reporting.words import number
from bidpilot.training.roi.rows import Rows
from bidpilot.training.setting.setting import recorded_setting
from bidpilot.training.weekly.weighed import USUAL

_EVENTS = (
    "The log holds no events of its auctions. Import it with events: in its mapping (view, complete, like, comment, "
    "share, follow, convert), or a bid server's decisions, whose outcomes name them."
)


def controller(name: str | None) -> ControllerAgent:
    """A controller by name; the model-predictive one where none is named.

    Raises:
        UnknownAgent: there is none.
    """
    if name is not None and name not in CONTROLLERS:
        raise UnknownAgent(f"no controller is called {name!r} that could play. Use one of: {', '.join(CONTROLLERS)}.")
    return controller_agent(name or MPC.name)


def read(config: ReportConfig, step: Step) -> Evidence:
    """Play a log's days and tell what was bought of them.

    Raises:
        InvalidLog, DamagedLog: the folder holds no readable log.
        UnknownAgent, RunNotFound, InvalidConfig, ForecastMismatch: from what was asked for.
        InfeasibleCampaign, NothingBought: no day can keep the constraints, or nothing is won.
    """
    agent = controller(config.agent)
    step(f"reading {config.source}")
    log = load_log(Path(config.source), memory_map=None)
    if config.forecast is None:
        setting = recorded_setting(log)
        forecast, campaign, whose, targets = setting.forecast, setting.campaign, "all of its own days", True
        weighs = USUAL
    else:
        trained = find_trained(log, config.forecast, (), config.experiment)
        forecast, campaign, whose = trained.forecast, trained.campaign, str(trained.part)
        targets, weighs = trained.targets, OF_RUN
    terms = campaign.model_copy(update={"budget": log.days[0].budget})
    arena = log_arena(log, forecast, terms, targets)
    ground = Ground(log.name, arena, agent, agent.name, campaign, weighs, Rows.of_log(log))
    evidence = Evidence(
        kind="log",
        title=f"What {agent.name} would have bought of {log.name}",
        facts=facts(log, whose, agent.name),
        notes=(
            f"Nothing was bought on a log: {agent.name} plays its recorded days at their recorded prices. "
            f"Its forecast is of {whose}.",
            *_together(log),
            *_left_out(Path(config.source)),
            *((f"Of the log: {'; '.join(log.notes)}.",) if log.notes else ()),
        ),
        lacks={"funnel": _EVENTS} | ({} if arena.filtered else {"invalid": _no_sources(log)}),
    )
    return on(ground, evidence, config, step)


def facts(log: AuctionLog, whose: str, agent: str) -> tuple[tuple[str, str], ...]:
    """What a report of a log begins with."""
    campaigns = len({day.campaign for day in log.days})
    return (
        ("log", log.name),
        ("auctions", number(log.n)),
        ("days", f"{log.n_days} of {campaigns} campaign{'s' * (campaigns != 1)}"),
        ("slots a day", str(log.slots)),
        ("played by", agent),
        ("forecast of", whose),
    )


def _together(log: AuctionLog) -> tuple[str, ...]:
    """That the plan of several campaigns is of none of them."""
    number_of = len({day.campaign for day in log.days})
    if number_of < 2:
        return ()
    text = (
        "constraints, their prices and the front are of one with their mean budget; the scorecard plans each by itself"
    )
    return (f"The log is of {number_of} campaigns: {text}.",)


def _left_out(folder: Path) -> tuple[str, ...]:
    """How many requests a bid server had refused of the days that became this log."""
    aside = read_set_aside(folder)
    refused = int((aside["reason"] == REASON_REFUSED).sum()) if aside.height else 0
    return (f"The bid server refused {number(refused)} more requests as invalid traffic.",) if refused else ()


def _no_sources(log: AuctionLog) -> str:
    return (
        f"{log.name} has {log.sources} source for all of its auctions, so that no filter can tell them apart. Import "
        "it with a column of sources (source: of a mapping)."
    )
