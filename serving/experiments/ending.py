"""Ends an experiment by an operator's order: one arm gets all users and the money that is left.

The order is durable and reaches every bidder of the store, as others do. First the other arms are paused and their
accounts closed to new bids; then the ledger says what they have spent or may still be billed, and the rest is given to
the arm that goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from bidpilot.bidding.errors import BidpilotError, InvalidExperiment
from bidpilot.serving import settings
from bidpilot.serving.calendar import date_of
from bidpilot.serving.experiments.experiment import Experiment
from bidpilot.serving.experiments.file import arm_campaign
from bidpilot.serving.experiments.money import committed, held_to, told_text
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.ledger.store import MICRO, AccountState, LedgerStore
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
        if self._orders.get(experiment.file.order) is None:
            self._order("", None)
        self._obey()
        bidder.control.on_orders.append(self.hear)

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
        given = self._order(by, to)
        self._obey()
        moved = [self._close(campaign, to, by, given) for campaign in experiment.file.campaigns]
        waiting = len(moved)

        def one(orders: list[Pending] | None) -> None:
            nonlocal waiting
            waiting -= 1
            if orders is None:
                waiting = -1
                done(None)
                return
            given.extend(orders)
            if waiting == 0:
                done(given)

        for share_out in moved:
            share_out(one)

    def _order(self, by: str, to: str | None) -> list[Pending]:
        said = Said(by, self._bidder.desk.clock(), told_text(self.experiment.file, to))
        return self._orders.give({self.experiment.file.order: said.text()})

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

    def _close(self, campaign: str, to: str, by: str, given: list[Pending]) -> Callable[[Done], None]:
        """Pause the other arms of a campaign; what gives the rest of its money to the one that goes on."""
        bidder, today = self._bidder, date_of(self._bidder.moment.day)
        arms = [bidder.served[arm_campaign(campaign, arm)] for arm in self.experiment.arms]
        goes_on = arm_campaign(campaign, to)
        closing = [arm for arm in arms if arm.name != goes_on]
        closed = []
        for arm in closing:
            state = bidder.days[arm.name].wallet.state
            spent = 0.0 if state is None else (state.settled + state.debt) / MICRO
            closed.append(held_to(arm.model_copy(update={"paused": True}), today, spent, _nothing))
            given += bidder.put(closed[-1], by, _FIELDS)

        def share_out(done: Done) -> None:
            accounts = [bidder.days[arm.name].account for arm in closed]
            bidder.desk.keeper.run(
                partial(_states, accounts=accounts), lambda states: done(self._give(arms, closed, goes_on, by, states))
            )

        return share_out

    def _give(
        self,
        before: list[ServedCampaign],
        closed: list[ServedCampaign],
        goes_on: str,
        by: str,
        states: list[AccountState | None] | None,
    ) -> list[Pending] | None:
        """Give what the closed arms have not spent, and cannot spend any more, to the other; None: it is not known."""
        if states is None:
            return None
        bidder, today = self._bidder, date_of(self._bidder.moment.day)
        left = sum(arm.budget_on(today) for arm in before)
        given: list[Pending] = []
        for arm, state in zip(closed, states, strict=True):
            left -= committed(state)
            given += bidder.put(held_to(arm, today, committed(state), _nothing), by, _FIELDS)
        winner = bidder.served[goes_on].model_copy(update={"paused": False})
        whole = held_to(winner, today, left, lambda day: sum(arm.budget_on(day) for arm in before))
        return given + bidder.put(whole, by, _FIELDS)


def _nothing(_: Any) -> float:
    return 0.0


def _states(store: LedgerStore, accounts: list[str]) -> list[AccountState | None]:
    return store.states(accounts)
