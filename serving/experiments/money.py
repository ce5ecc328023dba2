"""Money at the edges of an experiment: what one account has spent today is not given to another once more.

An arm's account is its own. When an experiment begins, is stopped or is no longer served in the course of a day, the
accounts that go on get what is left of the campaign's budget, and all of it from the next day on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving import settings
from bidpilot.serving.day_budgets import account_of
from bidpilot.serving.experiments.file import ORDERS, ExperimentFile, arm_campaign
from bidpilot.serving.ledger.store import MICRO, AccountState, LedgerStore, Order
from bidpilot.serving.planned import Planned, PlannedBudget
from bidpilot.serving.served import ServedCampaign


def committed(state: AccountState | None) -> float:
    """What an account has settled, owes and holds, currency."""
    return 0.0 if state is None else (state.settled + state.debt + state.held) / MICRO


def held_to(served: ServedCampaign, today: date, amount: float, later: Whole | None = None) -> ServedCampaign:
    """A campaign that may spend `amount` today, and from tomorrow on what `later` says; None: as planned."""
    days = [PlannedBudget(since=today, budget=max(amount, 0.0))]
    for since, budget in whole_of([served], today) if later is None else later:
        if (day := date.fromisoformat(since)) > today:
            days.append(PlannedBudget(since=day, budget=budget))
    own = Planned(instead_of=served.campaign.budget, days=tuple(days))
    return served.model_copy(update={"planned": own})


def rest_of_day(
    campaigns: Sequence[ServedCampaign],
    file: ExperimentFile | None,
    store: LedgerStore,
    day_of: Callable[[ServedCampaign], date],
) -> list[ServedCampaign]:
    """Campaigns with what is left of their budgets today, of what other accounts have spent for them.

    Of a campaign in arms these are its own account, and those of arms of other experiments; of one that is not, those
    of the arms that it was served in. `day_of`: the day that a campaign's clock is in.

    Raises:
        LedgerUnavailable: the store does not answer.
        InvalidServing: an order that tells of an experiment cannot be read.
    """
    told = _experiments(store.orders(0))
    arms = {} if file is None else {arm_campaign(c, a.name): (c, a.share) for c in file.campaigns for a in file.arms}
    found = []
    for served in campaigns:
        whole, share = arms.get(served.name, (served.name, 1.0))
        others, today = _accounts(told, whole, None if file is None else file.name), day_of(served)
        if served.name in arms:
            others.append(whole)
        spent = 0.0
        if others:
            spent = sum(map(committed, store.states([account_of(name, today) for name in others])))
        if spent <= 0.0:
            found.append(served)
            continue
        found.append(held_to(served, today, max(served.budget_on(today) - spent * share, 0.0)))
    return found


Whole = list[tuple[str, float]]
"""What all arms of a campaign may spend a day together, currency, by the day since when (ISO 8601), in order."""


def whole_of(arms: Sequence[ServedCampaign], today: date) -> Whole:
    """What the arms of a campaign may spend together, today and on the days for which it is planned otherwise."""
    planned = {day.since for arm in arms if arm.planned is not None for day in arm.planned.days}
    since = sorted({today, today + timedelta(days=1), *(day for day in planned if day > today)})
    return [(day.isoformat(), sum(arm.budget_on(day) for arm in arms)) for day in since]


def on_day(whole: Whole, day: date) -> float:
    """What they may spend on a day."""
    return next((amount for since, amount in reversed(whole) if since <= day.isoformat()), whole[0][1])


def told_text(file: ExperimentFile, to: str | None, whole: Mapping[str, Whole] | None = None) -> dict[str, Any]:
    """What the order of an experiment says: which accounts it has, and which arm has all since it was stopped.

    `whole`: by campaign, until the arm that goes on has got it.
    """
    told = {
        "campaigns": list(file.campaigns),
        "arms": [arm.name for arm in file.arms],
        "shares": list(file.shares),
        "to": to,
    }
    return told if whole is None else told | {"whole": whole}


def _experiments(orders: Iterable[Order]) -> dict[str, Mapping[str, Any]]:
    """What orders tell of experiments, by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for order in orders:
        if not order.name.startswith(ORDERS):
            continue
        said = settings.read(order)
        if said is None or not isinstance(said.value, dict):
            raise InvalidServing(
                f"the order {order.name!r} that is stored cannot be read. Serve with the version that wrote it."
            )
        found[order.name.removeprefix(ORDERS)] = said.value
    return found


def _accounts(told: Mapping[str, Mapping[str, Any]], campaign: str, running: str | None) -> list[str]:
    """The campaigns that a campaign's arms were served as, in experiments other than the one that runs."""
    return [
        arm_campaign(campaign, arm)
        for name, said in told.items()
        if name != running and campaign in said.get("campaigns", ())
        for arm in said.get("arms", ())
    ]
