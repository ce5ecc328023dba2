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
    arms = {} if file is None else {arm_campaign(c, a.name): (c, a) for c in file.campaigns for a in file.arms}
    to = None if file is None else ended_to(orders, file)
    found = []
    for served in campaigns:
        campaign, arm = arms.get(served.name, (served.name, None))
        share = 1.0 if arm is None or arm.name == to else arm.share if to is None else 0.0
        others, today = spent_by(orders, campaign, file if arm else None, to), day_of(served)
        spent = 0.0
        if share and others:
            spent = share * sum(map(committed, store.states([account_of(name, today) for name in others])))
        if spent > 0.0:
            served = served.model_copy(update={"elsewhere": Elsewhere(day=today, spent=spent)})
        found.append(served)
    return found


def spent_by(orders: Iterable[Order], campaign: str, file: ExperimentFile | None, to: str | None = None) -> list[str]:
    """Names of accounts that may have spent for a campaign what its own, or its arms', are not to spend again.

    `file`: the experiment that it takes part in; None: none. `to`: the arm that has all since that was stopped.
    """
    found = [
        arm_campaign(campaign, arm)
        for name, said in _experiments(orders).items()
        if (file is None or name != file.name) and campaign in said.get("campaigns", ())
        for arm in said.get("arms", ())
    ]
    if file is not None:
        found.append(campaign)
    if file is not None and to is not None:
        found += [arm_campaign(campaign, arm.name) for arm in file.arms if arm.name != to]
    return found


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
