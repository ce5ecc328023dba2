"""Ends an experiment by an operator's order: one arm gets all users and the money that is left.

The order is durable and reaches every bidder of the store, as others do. First the other arms are paused and their
accounts closed to new bids; then the ledger says what they have spent or may still be billed, and the rest is given to
the arm that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from bidpilot.bidding.errors import BidpilotError, InvalidExperiment
from bidpilot.serving import settings
from bidpilot.serving.calendar import date_of
from bidpilot.serving.day_budgets import account_of
from bidpilot.serving.elsewhere import Elsewhere
from bidpilot.serving.experiments.experiment import Experiment
from bidpilot.serving.experiments.file import arm_campaign
from bidpilot.serving.experiments.money import Whole, closed, committed, given, spent_by, told_text, whole_of
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.ledger.store import MICRO, AccountState, Order
from bidpilot.serving.orders import Pending
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.settings import Said

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder

Done = Callable[[list[Pending] | None], None]
"""Hears the orders that were given; None where the ledger did not answer, so that no money has moved."""
_FIELDS = ("paused", "planned", "elsewhere")


class Ending:
    """Carries out the end of one bidder's experiment, here and as other bidders have ordered it.

    Args:
        bidder: whose it is; what was ordered before is in force when this is made.
        experiment: what is served.
    """

    def __init__(self, bidder: Bidder, experiment: Experiment) -> None:
        self._bidder, self.experiment = bidder, experiment
        self._orders = bidder.control.orders
        if (before := self._orders.get(experiment.file.order)) is None:
            self._order("", None)
        else:
            _check_same(experiment, before)
        self._obey()
        self._hold_on()
        bidder.control.on_orders.append(self.hear)

    def _hold_on(self) -> None:
        """Give the money to the arm that goes on once more where it has not all been moved, or where the file has
        changed since, and with it the budgets that orders hold on top of: a start on the day after it began, as that
        day's own budgets are in it no more."""
        to, served = self.experiment.ended_to, self._bidder.served
        arms = [served[name] for name in self.experiment.campaigns if name in served]
        if to is None or len(arms) < len(self.experiment.campaigns):
            return
        if self._unfinished() or not all(map(_is_planned, arms)):
            self.stop(to, "", lambda _: None)

    def hear(self, names: set[str]) -> None:
        """Carry out what another bidder was ordered."""
        if self.experiment.file.order in names:
            self._obey()

    def stop(self, to: str, by: str, done: Done) -> None:
        """Give all users, and the money that is left, to one arm; again it changes nothing, or the arm.

        Raises:
            InvalidExperiment: there is no such arm, or the arms' campaigns are not all served.
        """
        experiment, bidder = self.experiment, self._bidder
        if to not in experiment.arms:
            raise InvalidExperiment(
                f"the experiment {experiment.file.name} has no arm {to[:80]!r}; there are "
                f"{', '.join(experiment.arms)}. Name one of them."
            )
        gone = sorted(experiment.campaigns - bidder.served.keys())
        if gone:
            raise InvalidExperiment(f"{gone[0]} is not served any more, so that its money cannot be given on.")
        arms = {c: [bidder.served[arm_campaign(c, arm)] for arm in experiment.arms] for c in experiment.file.campaigns}
        whole = {c: self._whole(c, of) for c, of in arms.items()}
        paused = {c: self._paused(c, of) for c, of in arms.items()}
        orders: list[Pending] = []
        for c in arms:  # before the stop, so that whoever finds the stop finds the arm paused or not as it is to be
            goes_on = bidder.served[arm_campaign(c, to)]
            orders += bidder.put(goes_on.model_copy(update={"paused": paused[c]}), by, ("paused",))
        orders += self._order(by, to, whole)
        self._obey()
        closed_arms = [arm for c, of in arms.items() for arm in of if arm.name != arm_campaign(c, to)]
        for arm in closed_arms:
            state = bidder.days[arm.name].wallet.state
            spent = 0.0 if state is None else (state.settled + state.debt) / MICRO
            orders += self._close(arm, spent, by)
        known = [o for name in self._orders.names if (o := self._orders.get(name)) is not None]
        beside = {c: spent_by(known, c, experiment.file, to) for c in arms}
        asked = [(name, self._today(arm_campaign(c, to))) for c, names in beside.items() for name in names]

        def told(states: list[AccountState | None] | None) -> None:
            if states is None:
                done(None)
                return
            spent = {name: committed(state) for (name, _), state in zip(asked, states, strict=True)}
            for arm in closed_arms:
                orders.extend(self._close(bidder.served[arm.name], spent[arm.name], by))
            for c, amounts in whole.items():
                orders.extend(self._give(c, to, amounts, sum(spent[name] for name in beside[c]), by))
            done([*orders, *self._order(by, to)])

        accounts = [account_of(name, day) for name, day in asked]
        bidder.desk.keeper.run(lambda store: store.states(accounts), told)

    def _whole(self, campaign: str, arms: Sequence[ServedCampaign]) -> Whole:
        """What a campaign may spend: as a stop before found it, whose money has not moved, or as was ordered since."""
        today, before, stop = self._today(arms[0].name), self.experiment.ended_to, self.experiment.file.order
        unfinished = self._unfinished() or {}
        if before is None or campaign not in unfinished:
            return whole_of(self._having(campaign, arms), today)
        name = arm_campaign(campaign, before)
        budget, told = self._orders.get(settings.field_key(name, "campaign.budget")), self._orders.get(stop)
        if budget is not None and told is not None and budget.version > told.version:
            return whole_of([self._bidder.served[name]], today)
        return unfinished[campaign]

    def _having(self, campaign: str, arms: Sequence[ServedCampaign]) -> list[ServedCampaign]:
        """The arms whose budgets are the campaign's: all but those that a stop before has closed."""
        if (before := self.experiment.ended_to) is None:
            return list(arms)
        return [arm for arm in arms if arm.name == arm_campaign(campaign, before) or not _is_planned(arm)]

    def _paused(self, campaign: str, arms: Sequence[ServedCampaign]) -> bool:
        """Whether a campaign is paused: all of its arms are, or the one that has gone on since it was stopped."""
        if (before := self.experiment.ended_to) is not None:
            return self._bidder.served[arm_campaign(campaign, before)].paused
        return all(arm.paused for arm in arms)

    def _today(self, name: str) -> date:
        return date_of(self._bidder.moment_of(name).day)

    def _close(self, arm: ServedCampaign, spent: float, by: str) -> list[Pending]:
        """Pause an arm, and let its account have what it has spent and no more."""
        return self._bidder.put(closed(arm, self._today(arm.name), spent), by, _FIELDS)

    def _give(self, campaign: str, to: str, whole: Whole, spent: float, by: str) -> list[Pending]:
        """Give all of a campaign's money, less what other accounts have `spent` today, to the arm that goes on."""
        goes_on = self._bidder.served[arm_campaign(campaign, to)]
        elsewhere = Elsewhere(day=self._today(goes_on.name), spent=spent)
        return self._bidder.put(given(goes_on, whole, elsewhere), by, _FIELDS)

    def _order(self, by: str, to: str | None, whole: Mapping[str, Whole] | None = None) -> list[Pending]:
        said = Said(by, self._bidder.desk.clock(), told_text(self.experiment.file, to, whole))
        return self._orders.give({self.experiment.file.order: said.text()})

    def _unfinished(self) -> Mapping[str, Whole] | None:
        """What all arms together had when a stop was ordered whose money has not moved."""
        said = settings.read(self._orders.get(self.experiment.file.order))
        return None if said is None else said.value.get("whole")

    def _obey(self) -> None:
        """Assign users as the order says."""
        try:
            said = settings.read(self._orders.get(self.experiment.file.order))
        except BidpilotError as error:
            self._bidder.events.record(Cause.order_late, f"an order of another bidder cannot be obeyed: {error}")
            return
        to = None if said is None or not isinstance(said.value, dict) else said.value.get("to")
        if said is None or to is None or to == self.experiment.ended_to or to not in self.experiment.arms:
            return
        self.experiment.end(str(to))
        detail = f"experiment {self.experiment.file.name}: all users to {to}, by {said.signed()}"
        self._bidder.events.record(Cause.order, detail, always=True)
        LOGGER.warning(detail)


def _check_same(experiment: Experiment, before: Order) -> None:
    """An experiment that goes on has the arms and shares that it began with.

    Raises:
        InvalidExperiment: it has others: users would change arms, and rows of before be read by other shares.
    """
    said = settings.read(before)
    told = said.value if said is not None and isinstance(said.value, dict) else {}
    file = experiment.file
    now = {"campaigns": list(file.campaigns), "arms": list(experiment.arms), "shares": list(file.shares)}
    other = [what for what, value in now.items() if what in told and told[what] != value]
    if other:
        raise InvalidExperiment(
            f"the experiment {file.name} began with {other[0]} {told[other[0]]}, and its file says {now[other[0]]}: "
            "users would change arms. Give it back what it had, or call it by another name."
        )


def _is_planned(arm: ServedCampaign) -> bool:
    """Whether the budgets that a stop has given an arm hold: not where its own budget has changed since."""
    return arm.planned is not None and arm.planned.instead_of == arm.campaign.budget
