"""What one campaign has spent in the slot under way, against the most that a slot may take."""

from __future__ import annotations

from bidpilot.serving.ledger.wallet import Wallet


class SlotSpend:
    """The spend rate of a campaign's slot, in micro-units. What was spent before a restart counts.

    Args:
        wallet: the day's money, which has been asked for.
        limit: most that this bidder may spend or promise in a slot.
        bidders: that would share the slot evenly, if all were of this one's part; need not be whole.
    """

    def __init__(self, wallet: Wallet, limit: int, bidders: float) -> None:
        self._wallet, self.limit, self._bidders = wallet, limit, bidders
        self.throttle: int | None = None  # what the slot may cost under a response to an incident
        self._slot, self._spent = -1, 0
        self._known, self._asking = True, False

    def begin(self, slot: int) -> None:
        """Begin a slot in which nothing is spent yet."""
        self._slot, self._spent, self._known = slot, 0, True

    def join(self, slot: int) -> None:
        """Begin a slot that is under way: nothing fits until the ledger has told what its bids have cost."""
        self._slot, self._spent, self._known = slot, 0, False
        self._ask()

    def add(self, cost: int) -> None:
        """Count what a bid of this slot was billed at."""
        self._spent += cost

    def fits(self, amount: int) -> bool:
        """Whether a bid may be made: beside what is spent and promised here, or was by a process before this one."""
        if not self._known:
            self._ask()
        wallet = self._wallet
        before = 0 if wallet.keeper.store.shared else wallet.elsewhere
        return self._known and self._spent + wallet.promised_by_slot[self._slot] + before + amount <= self.limit

    @property
    def throttled(self) -> bool:
        """Whether the slot has cost what a throttled one may: bids that are out may still be billed."""
        most = self.throttle
        return most is not None and self._spent + self._wallet.won_by_slot[self._slot] >= most

    def _ask(self) -> None:
        if self._asking:
            return
        self._asking = True
        slot, account = self._slot, self._wallet.account

        def told(found: int | None) -> None:
            self._asking = False
            if found is not None and slot == self._slot and not self._known:
                mine = int(found / self._bidders) if self._wallet.keeper.store.shared else found
                # what is held for wins is promised as well
                self._spent, self._known = self._spent + max(mine - self._wallet.won_by_slot[slot], 0), True

        self._wallet.keeper.run(lambda store: store.spent_in(account, slot), told)
