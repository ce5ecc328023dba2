"""The `risks` command: the register of risks, its matrix, and heat maps of risk by channel and hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console

from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.campaign.segments import channel_index, channels
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.heat import RISKS, heat, slot_hours
from bidpilot.bidding.watch.register import RiskEntry, matrix
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.suites import named_suites
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import steps
from bidpilot.training.report.risks import Register, print_register, risk_figure
from bidpilot.training.risk.config import RisksConfig
from bidpilot.training.risk.effects import BASE, EFFECTS, TARGETS, Effect
from bidpilot.training.risk.impact import Impact, Played, impact, missed, play
from bidpilot.training.risk.likelihood import History, Likelihood, history, of_days, of_suites
from bidpilot.training.tracking import open_run


def run(config: RisksConfig) -> Register:
    """Measure every effect; print, draw, log and write the register.

    Raises:
        UnknownSuite: no suite of a name.
        InvalidConfig: a folder or a file of incidents cannot be read, or no day is known to be watched.
    """
    records = named_suites(config.suites)
    seen = history(config.state, config.incidents, config.watched)
    console = Console()
    with open_run(config.experiment, "risks", changed(config), {}, kind="risks", config=config) as tracked:
        with steps(console, len(EFFECTS) + 2) as step:
            step(f"playing {BASE.name}")
            without = play(BASE, MPC.name, config.days, config.seed)
            impacts = []
            for effect in EFFECTS:
                step(f"playing: {effect.name}")
                having = play(effect.record, effect.agent, config.days, config.seed)
                impacts.append(impact(without, having, config.seed))
            step(f"playing {TARGETS.name}")
            short = _missed(config)
        found = _register(without, impacts, records, seen, short)
        expected = {name: entry.expected for name, entry in _named(found.entries) if entry.expected is not None}
        tracked.log_metrics({f"{name}/expected": share for name, share in expected.items()}, 0)
        tracked.log_json(found.as_json(), "risks.json")
        figure = risk_figure(found)
        tracked.log_figure(figure, "figures/risks.png")
    print_register(found, console)
    write_json(config.json_file, found.as_json())
    write_figure(config.figure, figure)
    return found


def _register(
    without: Played, impacts: Sequence[Impact], records: Sequence[SuiteRecord], seen: History | None, short: RiskEntry
) -> Register:
    entries = [
        _entry(effect.risk, effect.name, "suite", of_suites(records, effect.chance), effect, found)
        for effect, found in zip(EFFECTS, impacts, strict=True)
    ]
    entries.append(short)
    noticed = None
    if seen is not None:
        entries += [_of_history(risk, seen, impacts) for risk in Risk]
        slots = BASE.market.slots
        told = [each.model_dump() for each in seen.incidents if each.slot < slots]
        noticed = heat(told, channel_index(without.segments), slot_hours(slots))
    lost = np.zeros((len(RISKS), *without.placed.shape))
    for entry, effect, found in zip(entries, EFFECTS, impacts, strict=False):
        lost[RISKS.index(effect.risk)] += entry.likelihood * found.placed
    return Register(
        tuple(entries), matrix(entries), channels(without.segments), lost, noticed, BASE.campaigns[0].budget
    )


def _missed(config: RisksConfig) -> RiskEntry:
    """A target that is missed, as often and by as much as `mpc` misses that of the suite `cpa`."""
    found = missed(TARGETS, MPC.name, config.days, config.seed)
    mean, low, high = of_days(found.days, found.of)
    return RiskEntry(
        risk=Risk.target_missed,
        effect="the day's cost per conversion is above its target",
        source="suite",
        likelihood=mean,
        likelihood_low=low,
        likelihood_high=high,
        money_lost=found.score,
        days=found.of,
        evidence=f"{found.days} of {found.of} days of {TARGETS.name}, a campaign with a target; {MPC.name}",
    )


def _of_history(risk: Risk, seen: History, impacts: Sequence[Impact]) -> RiskEntry:
    """A risk as often as it was noticed, at the cost of its dearest effect."""
    own = [(effect, found) for effect, found in zip(EFFECTS, impacts, strict=True) if effect.risk == risk]
    effect, found = max(own, key=lambda pair: pair[1].money, default=(None, None))
    name = "as noticed" if effect is None else f"as noticed; cost of: {effect.name}"
    return _entry(risk, name, "history", seen.likelihood(risk), effect, found)


def _entry(
    risk: Risk, name: str, source: str, likely: Likelihood, effect: Effect | None, found: Impact | None
) -> RiskEntry:
    measured = {}
    evidence = likely.evidence
    if effect is not None and found is not None:
        measured = {
            "ratio_lost": found.ratio,
            "ratio_low": found.ratio_low,
            "ratio_high": found.ratio_high,
            "value_lost": found.value,
            "money_lost": found.money,
            "unspent": found.unspent,
            "days": found.days,
        }
        evidence += f"; {effect.agent} on {found.days} days of {BASE.name}"
    return RiskEntry.model_validate(
        {
            "risk": risk,
            "effect": name,
            "source": source,
            "likelihood": likely.mean,
            "likelihood_low": min(likely.low, likely.mean),
            "likelihood_high": max(likely.high, likely.mean),
            "evidence": evidence,
        }
        | measured
    )


def _named(entries: Sequence[RiskEntry]) -> list[tuple[str, RiskEntry]]:
    """A metric's name for each entry: the risk, its source, and a number where it has several."""
    count: dict[str, int] = {}
    named = []
    for entry in entries:
        name = f"{entry.source}/{entry.risk}"
        count[name] = count.get(name, 0) + 1
        named.append((name if count[name] == 1 else f"{name}_{count[name]}", entry))
    return named
