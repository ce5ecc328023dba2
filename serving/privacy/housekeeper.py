"""Keeps retention in a running server: once a day, in the slot that brings the fewest requests, beside the loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.privacy.audit import Action, AuditLog
from bidpilot.serving.privacy.audit_prune import SERVER
from bidpilot.serving.privacy.keep import Kind
from bidpilot.serving.privacy.retention import Report, prune

FILE = "pruned.json"
"""Of the state folder: when retention was last kept, and what was removed."""
_LOOK = 30.0  # seconds between two looks whether it is time


class Housekeeper:
    """Removes what is too old, day by day.

    Args:
        bidder: whose clock and forecast say when.
        log: the audit log, which is told.
        decisions: folder of the decision log; None: there is none.
        days: that kinds are kept.
        wall: seconds since 1970, that the age of files is reckoned from.
    """

    def __init__(
        self,
        bidder: Bidder,
        log: AuditLog,
        decisions: Path | None,
        days: dict[Kind, int],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._bidder, self._log, self._decisions, self._days, self._wall = bidder, log, decisions, days, wall
        self._state = bidder.desk.state.path.parent
        self._last = self._read()

    async def run(self) -> None:
        """Look every so often, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self.turn()
            except Exception as error:  # tomorrow is another day
                self._bidder.events.record(Cause.retention_failed, f"{type(error).__name__}: {error}")

    async def turn(self) -> Report | None:
        """Keep retention where it is time; what was done."""
        if not self.due:
            return None
        self._last = today = self._today
        report = await asyncio.to_thread(self._prune, today)
        told = [one._asdict() for one in report.removed]
        LOGGER.info(json.dumps({"event": "pruned", "day": today.isoformat(), "removed": told}))
        for why in report.failed:
            self._bidder.events.record(Cause.retention_failed, why)
        if report.removed or report.failed:
            after = {"removed": told, "failed": report.failed}
            self._log.tell(Action(self._log.clock(), SERVER, "", "", "retention", 0, None, after))
        return report

    @property
    def due(self) -> bool:
        """Whether it is time: in the quiet slot of each day, or at once where a day has passed without it."""
        if not self._days:
            return False
        if self._last is None or (self._today - self._last).days > 1:
            return True
        auctions = self._bidder.desk.forecast.auctions
        return self._today > self._last and self._bidder.moment.slot == int(np.argmin(auctions))

    @property
    def _today(self) -> date:
        return date.fromisoformat(self._bidder.moment.date)

    def _prune(self, today: date) -> Report:
        report = prune(self._state, self._decisions, self._days, self._wall(), today)
        told = {"day": today.isoformat(), "removed": [one._asdict() for one in report.removed], "failed": report.failed}
        (self._state / FILE).write_text(json.dumps(told))
        return report

    def _read(self) -> date | None:
        try:
            return date.fromisoformat(json.loads((self._state / FILE).read_text())["day"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
