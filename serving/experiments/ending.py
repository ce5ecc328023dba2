"""Ends an experiment by an operator's order: one arm gets all users and the money that is left.

The order is durable and reaches every bidder of the store, as others do. First the other arms are paused and their
accounts closed to new bids; then the ledger says what they have spent or may still be billed, and the rest is given to
the arm that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from bidpilot.bidding.errors import BidpilotError, InvalidExperiment
from bidpilot.serving import settings
from bidpilot.serving.calendar import date_of
from bidpilot.serving.experiments.experiment import Experiment
from bidpilot.serving.experiments.file import arm_campaign
from bidpilot.serving.experiments.money import Whole, committed, held_to, on_day, told_text, whole_of
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.ledger.store import MICRO, AccountState, Order
from bidpilot.serving.orders import Pending
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.settings import Said

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder

Done = Callable[[list[Pending] | None], None]
"""Hears the orders that were given; None where the ledger did not answer, so that no money has moved."""
_FIELDS = ("paused", "planned")


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
        """Give the money to the arm that goes on once more where the file has changed since, and with it the budgets
        that orders hold on top of: a start on the day after it began, as that day's own budgets are in it no more."""
        to, served = self.experiment.ended_to, self._bidder.served
        arms = [served[name] for name in self.experiment.campaigns if name in served]
        if to is not None and len(arms) == len(self.experiment.campaigns) and any(arm.planned is None for arm in arms):
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
        whole = self._unfinished() or {c: whole_of(of, self._today(of[0].name)) for c, of in arms.items()}
        given = self._order(by, to, whole)
        self._obey()
        closed = [arm for c, of in arms.items() for arm in of if arm.name != arm_campaign(c, to)]
        for arm in closed:
            state = bidder.days[arm.name].wallet.state
            spent = 0.0 if state is None else (state.settled + state.debt) / MICRO
            given += self._close(arm, spent, by)
        accounts = [bidder.days[arm.name].account for arm in closed]

        def told(states: list[AccountState | None] | None) -> None:
            if states is None:
                done(None)
                return
            spent = {arm.name: committed(state) for arm, state in zip(closed, states, strict=True)}
            done([*given, *self._share_out(whole, spent, to, by)])

        bidder.desk.keeper.run(lambda store: store.states(accounts), told)

    def _today(self, name: str) -> date:
        return date_of(self._bidder.moment_of(name).day)

    def _close(self, arm: ServedCampaign, spent: float, by: str) -> list[Pending]:
        """Pause an arm, and let its account have what it has spent and no more."""
        today = self._today(arm.name)
        closed = held_to(arm.model_copy(update={"paused": True}), today, spent, _nothing(today))
        return self._bidder.put(closed, by, _FIELDS)

    def _share_out(self, whole: Mapping[str, Whole], spent: Mapping[str, float], to: str, by: str) -> list[Pending]:
        """Give what closed arms have not `spent`, by name, and cannot spend any more, to the one that goes on."""
        bidder, given = self._bidder, list[Pending]()
        for campaign, amounts in whole.items():
            goes_on = arm_campaign(campaign, to)
            today = self._today(goes_on)
            left = on_day(amounts, today)
            for name in (arm_campaign(campaign, arm) for arm in self.experiment.arms):
                if name != goes_on:
                    left -= spent[name]
                    given += self._close(bidder.served[name], spent[name], by)
            winner = bidder.served[goes_on].model_copy(update={"paused": False})
            given += bidder.put(held_to(winner, today, left, amounts), by, _FIELDS)
        return given + self._order(by, to)

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


def _nothing(today: date) -> Whole:
    return [((today + timedelta(days=1)).isoformat(), 0.0)]
