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
from bidpilot.serving.elsewhere import Elsewhere
from bidpilot.serving.experiments.file import ORDERS, ExperimentFile, arm_campaign
from bidpilot.serving.ledger.store import MICRO, AccountState, LedgerStore, Order
from bidpilot.serving.planned import Planned, PlannedBudget
from bidpilot.serving.served import ServedCampaign


def committed(state: AccountState | None) -> float:
    """What an account has settled, owes and holds, currency."""
    return 0.0 if state is None else (state.settled + state.debt + state.held) / MICRO


def closed(served: ServedCampaign, today: date, spent: float) -> ServedCampaign:
    """A campaign that is paused and may have what it has `spent` today, and nothing from then on."""
    until = [(today.isoformat(), spent), ((today + timedelta(days=1)).isoformat(), 0.0)]
    return given(served.model_copy(update={"paused": True}), until, None)


def given(served: ServedCampaign, whole: Whole, elsewhere: Elsewhere | None) -> ServedCampaign:
    """A campaign that may spend `whole`, of which others have spent some."""
    days = tuple(PlannedBudget(since=date.fromisoformat(since), budget=budget) for since, budget in whole)
    own = Planned(instead_of=served.campaign.budget, days=days)
    return served.model_copy(update={"planned": own, "elsewhere": elsewhere})


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
    orders = list(store.orders(0))
    to = None if file is None else ended_to(orders, file)
    split = {} if file is None else {arm_campaign(c, a.name): c for c in file.campaigns for a in file.arms}
    together: dict[str, list[ServedCampaign]] = {}
    for served in campaigns:
        together.setdefault(split.get(served.name, served.name), []).append(served)
    less: dict[str, Elsewhere] = {}
    for campaign, parts in together.items():
        running, today = file if parts[0].name in split else None, day_of(parts[0])
        spent = sum(_committed(store, spent_by(orders, campaign, running, to), today))
        if running is None or to is not None:
            goes_on = campaign if to is None or running is None else arm_campaign(campaign, to)
            less[goes_on] = Elsewhere(day=today, spent=spent)
            continue
        own = _committed(store, [arm.name for arm in parts], today)
        borne = borne_by(running.shares, [arm.whole_budget_on(today) for arm in parts], own, spent)
        less |= {arm.name: Elsewhere(day=today, spent=one) for arm, one in zip(parts, borne, strict=True)}
    less = {name: one for name, one in less.items() if one.spent > 0.0}
    return [c.model_copy(update={"elsewhere": less[c.name]}) if c.name in less else c for c in campaigns]


def borne_by(shares: Sequence[float], budgets: Sequence[float], own: Sequence[float], spent: float) -> list[float]:
    """What each arm has less of its budget today for what others have `spent`, currency: its share of that.

    Where an arm has spent too much of its `own` for its share, the others have that much less, by what they have left;
    where they have too little, nothing is left, and each has all of it less, should a greater budget be ordered.
    """
    left = [budget - share * spent - of for share, budget, of in zip(shares, budgets, own, strict=True)]
    over, free = sum(max(-one, 0.0) for one in left), sum(max(one, 0.0) for one in left)
    parts = [max(one, 0.0) / free if over < free else 1.0 for one in left]
    return [share * spent + over * part for share, part in zip(shares, parts, strict=True)]


def _committed(store: LedgerStore, names: Sequence[str], day: date) -> list[float]:
    """What the accounts of these names have settled, owe and hold of a day."""
    return [committed(state) for state in store.states([account_of(name, day) for name in names])] if names else []


def begin_anew(file: ExperimentFile, store: LedgerStore, now: float) -> None:
    """Where an experiment has not begun, let no order hold of arms of these names in experiments before.

    Such are the stop of one, which has left arms paused and without money, and what was ordered after it.

    Raises:
        LedgerUnavailable: the store does not answer.
        InvalidServing: an order that tells of an experiment cannot be read.
    """
    orders = list(store.orders(0))
    if any(order.name == file.order for order in orders):
        return
    before = {name for campaign in file.campaigns for name in spent_by(orders, campaign, None)}
    names = before & {arm_campaign(campaign, arm.name) for campaign in file.campaigns for arm in file.arms}
    for order in orders:
        name = settings.campaign_of(order.name)
        if name in names and order.name != settings.file_key(name):
            store.order(order.name, settings.Said(settings.FILE, now, void=True).text())


def spent_by(orders: Iterable[Order], campaign: str, file: ExperimentFile | None, to: str | None = None) -> list[str]:
    """Names of accounts that may have spent for a campaign what its own, or its arms', are not to spend again.

    `file`: the experiment that it takes part in; None: none. `to`: the arm that has all since that was stopped.
    """
    found = [
        arm_campaign(campaign, arm)
        for said in _experiments(orders).values()
        if campaign in said.get("campaigns", ())
        for arm in said.get("arms", ())
    ]
    own = {campaign}
    if file is not None:
        found += [campaign, *(arm_campaign(campaign, arm.name) for arm in file.arms)]
        own = {arm_campaign(campaign, arm.name) for arm in file.arms if to in (None, arm.name)}
    return [name for name in dict.fromkeys(found) if name not in own]


def ended_to(orders: Iterable[Order], file: ExperimentFile) -> str | None:
    """The arm that has all since an experiment was stopped; None where it was not."""
    to = _experiments(orders).get(file.name, {}).get("to")
    return None if to is None else str(to)


Whole = list[tuple[str, float]]
"""What all arms of a campaign may spend a day together, currency, by the day since when (ISO 8601), in order."""


def whole_of(arms: Sequence[ServedCampaign], today: date) -> Whole:
    """What the arms of a campaign may spend together, today and on the days for which it is planned otherwise."""
    planned = {day.since for arm in arms if arm.planned is not None for day in arm.planned.days}
    since = sorted({today, today + timedelta(days=1), *(day for day in planned if day > today)})
    return [(day.isoformat(), sum(arm.whole_budget_on(day) for arm in arms)) for day in since]


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
