"""What the bidders of an account tell each other, kept in memory: for stores that live in one process."""

from __future__ import annotations

_ACCOUNTS = 4096  # that are remembered: what was told of longest ago is forgotten first


class Reports:
    """Reports by account, slot and bidder. Nothing of them outlives the process: a day can be played without."""

    def __init__(self) -> None:
        self._told: dict[str, dict[int, dict[str, bytes]]] = {}  # by account, that told of last at the end

    def tell(self, account: str, slot: int, bidder: str, report: bytes) -> None:
        """Keep a report."""
        slots = self._told.pop(account, {})
        self._told[account] = slots
        slots.setdefault(slot, {})[bidder] = report
        if len(self._told) > _ACCOUNTS:
            del self._told[next(iter(self._told))]

    def told(self, account: str, slot: int) -> dict[str, bytes]:
        """The reports of a slot, by bidder."""
        return dict(self._told.get(account, {}).get(slot, {}))
