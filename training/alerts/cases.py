"""The cases that alarms are held to, each with its bar: an honest rate, shocks, outages, a changed market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.scan import Delays
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_market
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.alerts.judge import Told, delays_of, told
from bidpilot.training.alerts.learn import RATE
from bidpilot.training.alerts.play import Watched, play, play_drawn, training_bands
from bidpilot.training.evaluation.catalogue import SUITES, SuiteRecord
from bidpilot.training.evaluation.suites import held_out, suite_forecast
from bidpilot.training.report.alerts import AlertRow

HONEST: Final = 0.02
"""How far the share of honest days with an alarm may lie from the stated one."""
REST: Final = 12
"""Slots that a day must have left when a shock begins, for it to be found."""
CONVERSIONS: Final = 10
"""Conversions that a day brings, for an outage of them to be found."""
ONCE: Final = 1.2
"""Alarms of the forecast a day, at most, where the whole day is of another law."""
SHOWN: Final = 24
"""Slots over which the figure shows what is found."""
_SHOCK: Final = frozenset({Risk.platform_shock, Risk.regime_change})
_OUTAGE: Final = frozenset({Risk.tracking_outage})
_FORECAST: Final = frozenset({Risk.platform_shock, Risk.regime_change, Risk.budget_overrun, Risk.target_missed})


@dataclass(frozen=True)
class Ground:
    """What every case is held on: training's bands, and the size of a case."""

    days: int
    training_days: int
    seed: int
    record: SuiteRecord = SUITES["daily"]  # honest days, and the forecast of all cases
    other: SuiteRecord = SUITES["shift"]  # another market under that forecast
    _learnt: dict[str, Bands] = field(default_factory=dict)

    def bands(self, market: SyntheticConfig, campaign: Campaign) -> Bands:
        """Of the training days of a market, learnt once."""
        key = market.model_dump_json() + campaign.model_dump_json()
        if key not in self._learnt:
            self._learnt[key] = training_bands(market, campaign, self.training_days, self.seed)
        return self._learnt[key]


def honest(ground: Ground) -> AlertRow:
    """Held-out days of `daily` with nothing wrong: the share with any alarm is the stated one."""
    days = _played(ground, ground.record.market)
    row = _row("honest days", days, f"{RATE:.0%} of days, give or take {HONEST:.0%}")
    return _met(row, abs(row["alarm_days"] - RATE) <= HONEST)


def shock(ground: Ground, depth: float) -> AlertRow:
    """The same days, on each of which a share of traffic is lost from a random slot on."""
    market = SyntheticConfig(
        **ground.record.market.model_dump()
        | {"platform_shock_probability": 1.0, "platform_shock_depth": (depth, depth)}
    )
    days = _played(ground, market)
    log = synthetic_market(market, seeding.LOG_HELD_OUT, ground.seed)
    onset = (log.levels(_uniforms(ground, market)).shock == 1.0).sum(axis=1)
    used = onset <= market.slots - REST
    bars: dict[float, tuple[str, Callable[[AlertRow], bool]]] = {
        0.5: ("median at most 3 slots", lambda row: _at_most(row["median"], 3)),
        0.4: ("median at most 6 slots", lambda row: _at_most(row["median"], 6)),
        0.3: ("80 % found", lambda row: (row["found"] or 0.0) >= 0.8),
    }
    bar, reached = bars.get(depth, ("", lambda row: True))
    row = _found(_row(f"traffic -{depth:.0%}", days, bar), delays_of(days, _SHOCK, onset)[used])
    return _met(row, reached(row)) if bar else row


def interaction_outage(ground: Ground) -> AlertRow:
    """The same days, with no interaction told from a random slot of the first three quarters on."""
    since = _since(ground, ground.record.market.slots * 3 // 4)
    days = _told(ground, _watched(ground, ground.record.market).silenced("interactions_told", since))
    row = _row("interactions silent", days, "all found, median at most 6 slots")
    row = _found(row, delays_of(days, _OUTAGE, since))
    return _met(row, row["found"] == 1.0 and _at_most(row["median"], 6))


def conversion_outage(ground: Ground) -> AlertRow:
    """The same with conversions, from a slot of the first half on, on days that bring `CONVERSIONS` or more."""
    since = _since(ground, ground.record.market.slots // 2)
    watched = _watched(ground, ground.record.market)
    days = _told(ground, watched.silenced("conversions_told", since))
    used = watched.slots.of("conversions_told").sum(axis=1) >= CONVERSIONS
    bar = f"median at most 16 slots where a day brings {CONVERSIONS}"
    row = _found(_row("conversions silent", days, bar), delays_of(days, _OUTAGE, since)[used])
    return _met(row, _at_most(row["median"], 16))


def shift(ground: Ground) -> AlertRow:
    """Days of the suite `shift` under the forecast of `daily`: told as a changed regime, once."""
    days = _told(ground, _suite(ground, ground.other))
    row = _found(
        _row("shift", days, f"95 % told as a changed regime, {ONCE:g} alarms of the forecast a day"),
        delays_of(days, frozenset({Risk.regime_change}), np.zeros(len(days), np.int64)),
    )
    of_forecast = np.mean([sum(t.risk in _FORECAST for t in day) for day in days])
    return _met(row, bool((row["found"] or 0.0) >= 0.95 and of_forecast <= ONCE))


def suite(ground: Ground, name: str) -> AlertRow:
    """The days of a suite under its own forecast's bands, as information."""
    record = SUITES[name]
    (campaign, *_), late = record.campaigns, record.campaigns[0].delays
    bands = ground.bands(record.forecast, campaign)
    return _row(name, told(bands, _suite(ground, record), Delays(late.wins, late.interactions, late.conversions)), None)


CASES: Final[tuple[Callable[[Ground], AlertRow], ...]] = (
    honest,
    lambda ground: shock(ground, 0.5),
    lambda ground: shock(ground, 0.4),
    lambda ground: shock(ground, 0.3),
    interaction_outage,
    conversion_outage,
    shift,
)
"""All that has a bar, in the order of the table."""


def _uniforms(ground: Ground, market: SyntheticConfig) -> NDArray[np.float64]:
    """Of the held-out days: those of the suite `daily`, whatever else happens on them."""
    draws = synthetic_market(market, seeding.LOG_HELD_OUT, ground.seed).draws
    return seeding.stream(seeding.suite_domain(ground.record.name), ground.seed).random((ground.days, draws))


def _watched(ground: Ground, market: SyntheticConfig) -> Watched:
    log = synthetic_market(market, seeding.LOG_HELD_OUT, ground.seed)
    return play_drawn(log, suite_forecast(ground.record), ground.record.campaigns[0], _uniforms(ground, market))


def _suite(ground: Ground, record: SuiteRecord) -> Watched:
    """The held-out days of a suite; each day alone, also where the suite has days in a row."""
    market, days = held_out(
        replace(record, in_a_row=1), max(ground.days // record.together, 1) * record.together, ground.seed
    )
    return play(market, suite_forecast(record), record.campaigns[0], days)


def _played(ground: Ground, market: SyntheticConfig) -> Told:
    return _told(ground, _watched(ground, market))


def _told(ground: Ground, watched: Watched) -> Told:
    return told(ground.bands(ground.record.forecast, ground.record.campaigns[0]), watched)


def _since(ground: Ground, last: int) -> NDArray[np.int64]:
    """The slot (D,) from which on nothing is told: between the fifth and `last`."""
    return seeding.stream(seeding.suite_domain("outages"), ground.seed).integers(4, last + 1, ground.days)


def _row(case: str, days: Told, bar: str | None) -> AlertRow:
    by_risk = {risk.value: sum(any(t.risk is risk for t in day) for day in days) / len(days) for risk in Risk}
    return AlertRow(
        case=case,
        bar=bar,
        met=None,
        days=len(days),
        alarm_days=sum(map(bool, days)) / len(days),
        alarms_a_day=sum(map(len, days)) / len(days),
        by_risk={risk: share for risk, share in by_risk.items() if share > 0},
        judged=None,
        found=None,
        median=None,
        late=None,
        found_by_slot=[],
    )


def _found(row: AlertRow, delays: NDArray[np.float64]) -> AlertRow:
    """The row with what was found after how many slots; `delays` (K,) are infinite where nothing was."""
    if not len(delays):
        return row
    within = [float(np.mean(delays <= k)) for k in range(1, SHOWN + 1)]
    median, late = (float(np.quantile(delays, q, method="higher")) for q in (0.5, 0.9))
    row["judged"], row["found"], row["found_by_slot"] = len(delays), float(np.isfinite(delays).mean()), within
    row["median"], row["late"] = (value if np.isfinite(value) else None for value in (median, late))
    return row


def _met(row: AlertRow, met: bool) -> AlertRow:
    row["met"] = met
    return row


def _at_most(value: float | None, most: float) -> bool:
    return value is not None and value <= most


def all_rows(ground: Ground, suites: Sequence[str], step: Callable[[str], None]) -> list[AlertRow]:
    """Every row of the table: those with bars, and the suites."""
    rows = []
    for case in CASES:
        step("holding alarms to their bars")
        rows.append(case(ground))
    for name in suites:
        step(f"playing {name}")
        rows.append(suite(ground, name))
    return rows
