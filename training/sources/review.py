"""The detector over the recorded days of a log: what it refused, and what that was worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.errors import ForecastMismatch, InvalidLog
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.report import SourceReport, Status
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.refusals import Refusals, Watch, invalid_spend
from bidpilot.training.evaluation.traffic import detected, unfiltered
from bidpilot.training.report.sources import Review, ServerRow, SourceRow


@dataclass(frozen=True)
class Map:
    """What the heat map shows, of all days together, by source and slot (C, T)."""

    refused: NDArray[np.float64]  # share of requests
    suspicion: NDArray[np.float64]  # mean probability of invalid traffic
    spend: NDArray[np.float64]  # currency, without the detector
    by_server: NDArray[np.int64] | None = None  # requests that a bid server refused; None where it was none


def check_sources(log: AuctionLog, forecast: Forecast) -> None:
    """Refuse what has no sources to review.

    Raises:
        InvalidLog: the log tells no sources apart.
        ForecastMismatch: the forecast tells none apart, or others.
    """
    if log.sources < 2:
        raise InvalidLog(
            f"{log.name} has one source for all of its auctions, so that there is none to review. Import it again with "
            "a column of sources (publishers or account clusters)."
        )
    told = 0 if forecast.source_share is None else len(forecast.source_share)
    if told != log.sources:
        raise ForecastMismatch(
            f"the forecast tells {told} sources apart, {log.name} has {log.sources}. Fit it on a log whose sources are "
            "numbered as here, or leave --forecast out."
        )


def review(
    log: AuctionLog, arena: Arena, forecast_name: str, by_server: NDArray[np.int64] | None = None
) -> tuple[Review, Map]:
    """Play `mpc` over the log's days with and without the detector, and say what differs.

    `by_server` (C, T) counts what a bid server refused of the same days before they became a log.
    """
    agent, slots = controller_agent(MPC.name), arena.market.slots
    watches = Watch(), Watch()
    arena.play(agent, filter_of=unfiltered, watch=watches[0])
    per_currency_before, spend_before = _bought(arena)
    arena.play(agent, filter_of=detected, watch=watches[1])
    per_currency, spend = _bought(arena)
    detector = arena.episode.statistics.traffic
    assert isinstance(detector, Detector)
    before, after = (watch.refusals(slots) for watch in watches)
    requests = arena.traffic.requests
    share = after.refused / np.maximum(requests, 1)
    saved = before.spend * share
    marked = bool(log.invalid.any())
    found = Review(
        log=log.name,
        forecast=forecast_name,
        days=log.n_days,
        outcomes="drawn" if arena.market.draws_outcomes else "recorded",
        budget=float(arena.campaigns.budget.sum()),
        spend_unfiltered=spend_before,
        spend=spend,
        saved=float(saved.sum()),
        refused=float(after.refused.sum() / requests.sum()),
        invalid_spend_unfiltered=float(invalid_spend(before, arena.traffic).sum()) if marked else None,
        invalid_spend=float(invalid_spend(after, arena.traffic).sum()) if marked else None,
        kpis_per_currency_unfiltered=per_currency_before,
        kpis_per_currency=per_currency,
        by_server=None if by_server is None else _server_rows(by_server),
        sources=_rows(log, arena, detector, after, saved.sum(axis=1), marked),
    )
    by_cell = after.refused.sum(axis=0) / np.maximum(requests.sum(axis=0), 1)
    return found, Map(by_cell.T, after.suspicion.mean(axis=0).T, before.spend.sum(axis=0).T, by_server)


def _server_rows(by_server: NDArray[np.int64]) -> list[ServerRow]:
    """Of every source and slot that the server refused something in."""
    cells = zip(*by_server.nonzero(), strict=True)
    return [ServerRow(source=int(c), slot=int(t), refused=int(by_server[c, t])) for c, t in cells]


def _bought(arena: Arena) -> tuple[list[float], float]:
    """KPIs (3) of valid traffic per currency, and the currency spent, of the days that were just played."""
    spend = float((arena.campaigns.budget - arena.episode.left).sum())
    per_currency: list[float] = (arena.episode.kpi.sum(axis=0) / spend).tolist() if spend > 0 else [0.0, 0.0, 0.0]
    return per_currency, spend


def _rows(
    log: AuctionLog, arena: Arena, detector: Detector, after: Refusals, saved: NDArray[np.float64], marked: bool
) -> list[SourceRow]:
    """Of every source and day that was refused something, or is not open when the day ends; `saved` is (D, C)."""
    requests, invalid = arena.traffic.requests.sum(axis=1), arena.traffic.invalid.sum(axis=1)
    refused, some = after.refused.sum(axis=1), np.any(after.refused > 0, axis=1)
    rows = []
    for d in range(log.n_days):
        for c in range(log.sources):
            told = detector.explain(d, c)
            if not some[d, c] and told.status is Status.open:
                continue
            rows.append(
                SourceRow(
                    day=log.days[d].label,
                    source=c,
                    requests=int(requests[d, c]),
                    refused=int(refused[d, c]),
                    first_refused=int((after.refused[d, :, c] > 0).argmax()) if some[d, c] else None,
                    invalid=int(invalid[d, c]) if marked else None,
                    saved=float(saved[d, c]),
                    **_told(told),
                )
            )
    return sorted(rows, key=lambda row: (-row["saved"], -row["refused"]))


class _Told(TypedDict):
    """What the detector itself says of a source."""

    status: str
    since: int | None
    probability: float
    views: float
    views_expected: float
    interactions: float
    interactions_expected: float
    why: str
    would_clear: str


def _told(report: SourceReport) -> _Told:
    return _Told(
        status=report.status.value,
        since=report.since,
        probability=report.probability,
        views=report.views,
        views_expected=report.views_expected,
        interactions=report.events,
        interactions_expected=report.events_expected,
        why=report.why,
        would_clear=report.would_clear,
    )
