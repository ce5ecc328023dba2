"""What campaigns may spend on a day: their budgets as planned, within their flights' days and totals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.serving.calendar import Moment, date_of
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import MICRO, AccountState
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.served import ServedCampaign

_LATE = 3  # days gone by whose bids may still be billed: their accounts are asked of again


class DayBudgets:
    """Budgets of days, in micro-units, and what flights have spent on the days before, as the ledger last told it.

    What is settled, owed, and held for bids and wins that may still be billed counts as spent. All days of a flight are
    asked of once; from then on those of which more may come.
    """

    def __init__(self) -> None:
        self._spent: dict[str, int] = {}  # by account: settled, owed and held
        self._owed: dict[str, int] = {}  # of that: settled and owed

    def on(self, served: ServedCampaign, moment: Moment) -> int:
        """What a campaign may spend on the day of `moment`, as `on_day`."""
        return self.on_day(served, moment.day)

    def on_day(self, served: ServedCampaign, day: int) -> int:
        """What a campaign may spend on a day (days since 1970).

        Nothing of a total until the ledger has told what is left of it.
        """
        budget, flight = int(served.budget_on(date_of(day)) * MICRO), served.flight
        if flight is None:
            return budget
        before = [_account(served, one) for one in flight.before(day)]
        if flight.total is not None and not self._spent.keys() >= set(before):
            return 0
        return flight.allows(day, budget, self._before(served, day, self._spent))

    def campaign(self, served: ServedCampaign, budget: int) -> Campaign:
        """What a day with this budget is planned for; a day without money as any other."""
        campaign = served.campaign
        if budget in (0, int(campaign.budget * MICRO)):
            return campaign
        return campaign.model_copy(update={"budget": budget / MICRO})

    def ask(self, keeper: Keeper, served: ServedCampaign, moment: Moment, done: Callable[[], None]) -> None:
        """Ask the ledger what a flight with a total has spent; `done` is called once that is known anew."""
        flight = served.flight
        if flight is None or flight.total is None:
            return
        days = [(_account(served, day), day) for day in flight.before(moment.day + 1)]
        accounts = [a for a, day in days if a not in self._spent or moment.day - day <= _LATE]
        if not accounts:
            return

        def told(states: list[AccountState | None] | None) -> None:
            if states is None:
                return  # asked again at the end of the slot
            for account, state in zip(accounts, states, strict=True):
                self._keep(account, state or AccountState(0, 0, 0, 0))
            done()

        keeper.run(lambda store: store.states(accounts), told)

    def saw(self, wallet: Wallet) -> None:
        """A day is over, and its wallet knows better than the ledger what may still be billed."""
        state = wallet.state
        if state is not None and wallet.account in self._spent:
            held = may_be_billed(wallet)
            self._keep(wallet.account, AccountState(state.budget, state.settled, held, wallet.debt, state.won))

    def left(self, served: ServedCampaign, moment: Moment) -> int | None:
        """What is neither settled nor owed of a flight's total; None where it has none."""
        flight = served.flight
        if flight is None or flight.total is None:
            return None
        return max(int(flight.total * MICRO) - self._before(served, moment.day + 1, self._owed), 0)

    def _before(self, served: ServedCampaign, day: int, spent: dict[str, int]) -> int:
        flight = served.flight
        if flight is None or flight.total is None:
            return 0
        return sum(spent.get(_account(served, one), 0) for one in flight.before(day))

    def _keep(self, account: str, state: AccountState) -> None:
        self._owed[account] = state.settled + state.debt
        self._spent[account] = self._owed[account] + state.held


def _account(served: ServedCampaign, day: int) -> str:
    return account_of(served.name, date_of(day))


def may_be_billed(wallet: Wallet) -> int:
    """What may still be billed of an account: bids of this process, wins of all, and what other leases hold."""
    won = 0 if wallet.state is None else wallet.state.won
    return max(wallet.elsewhere, 0) + wallet.promised - wallet.won + won


def account_of(name: str, day: date) -> str:
    """The account of a campaign's day."""
    return f"{name}@{day.isoformat()}"
