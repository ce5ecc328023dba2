"""A campaign's days: what the ledger has of them, by channel and with results as far as this bidder was told."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs

from bidpilot.bidding.errors import InvalidServing, LedgerUnavailable
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.calendar import date_of
from bidpilot.serving.day_budgets import account_of, may_be_billed
from bidpilot.serving.day_results import DayResults
from bidpilot.serving.ledger.store import MICRO, AccountState

_MOST = 400  # days


async def spend_of(bidder: Bidder, name: str, query: str, currency: str) -> dict[str, Any]:
    """What GET /admin/campaigns/NAME/spend?from=DATE&to=DATE tells; both dates are today where they are left out.

    Raises:
        InvalidServing: the query is none, or of too many days.
        LedgerUnavailable: the ledger does not answer.
    """
    today = date_of(bidder.moment_of(name).day)
    first, last = read_range(query, today)
    days = [first + timedelta(k) for k in range(max((min(last, today) - first).days + 1, 0))]
    accounts = [account_of(name, day) for day in days]
    states = await _states(bidder, accounts)
    if states is None:
        raise LedgerUnavailable("the ledger does not answer: ask again.")
    segments, day = bidder.bundle.manifest.segments, bidder.days.get(name)
    kept = bidder.desk.state.results(accounts)
    told: dict[str, Any] = {}
    for one, account, state in zip(days, accounts, states, strict=True):
        if state is None:
            continue
        results, held = DayResults.read(kept.get(account), len(segments)), state.held
        if day is not None and day.account == account:  # what lies unused in its lease is not owed
            results, held = day.results, may_be_billed(day.wallet)
        told[one.isoformat()] = {
            "budget": state.budget / MICRO,
            "settled": state.settled / MICRO,
            "debt": state.debt / MICRO,
            "held": held / MICRO,
            "channels": results.by_channel(segments),
            "predicted": results.predicted,
            "realised": results.realised,
        }
    return {
        "campaign": name,
        "currency": currency,
        "today": today.isoformat(),
        "passed": passed(bidder, name),
        "days": told,
    }


def read_range(query: str, today: date) -> tuple[date, date]:
    """The first and the last day of a query `from=DATE&to=DATE`.

    Raises:
        InvalidServing: it is none, or of too many days.
    """
    fields = parse_qs(query, keep_blank_values=True)
    unknown = sorted(set(fields) - {"from", "to"})
    if unknown:
        raise InvalidServing(f"the query has {', '.join(unknown)[:80]!r}. Ask with from=YYYY-MM-DD and to=YYYY-MM-DD.")
    try:
        first, last = (date.fromisoformat(fields[end][0]) if end in fields else today for end in ("from", "to"))
    except ValueError:
        raise InvalidServing(f"{query[:80]!r} are no days. Ask with from=YYYY-MM-DD and to=YYYY-MM-DD.") from None
    if (last - first).days >= _MOST:
        raise InvalidServing(f"from {first} to {last} are more than {_MOST} days. Ask for fewer.")
    return first, last


def passed(bidder: Bidder, name: str) -> float:
    """The share of a campaign's running day that is over."""
    return bidder.calendar_of(name).passed(bidder.moment_of(name), bidder.desk.clock())


async def _states(bidder: Bidder, accounts: list[str]) -> list[AccountState | None] | None:
    """The accounts by the ledger; None where it does not answer."""
    waiting: asyncio.Future[list[AccountState | None] | None] = asyncio.get_running_loop().create_future()

    def done(states: list[AccountState | None] | None) -> None:
        if not waiting.done():
            waiting.set_result(states)

    bidder.desk.keeper.run(lambda store: store.states(accounts), done)
    return await waiting
