"""Gives a server its campaigns' budgets of tomorrow: all of them, or as they were."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date

from bidpilot.bidding.errors import BudgetsNotApplied, ServerRefused, ServerUnavailable
from bidpilot.training.rebalance.night import Change
from bidpilot.training.rebalance.server import Server


def apply(server: Server, changes: Sequence[Change], day: date) -> list[str]:
    """Plan the budgets that change; names of campaigns whose new budget is in force and not durable yet.

    Smaller ones come first, so that they never add up to more than before or after. Where one fails, those before it
    are set back.

    Raises:
        BudgetsNotApplied: says what failed, and which campaigns could not be set back.
    """
    needed = sorted((change for change in changes if change.needed), key=lambda change: change.tomorrow - change.before)
    pending = []
    for k, change in enumerate(needed):
        try:
            if not server.plan_budget(change.name, change.tomorrow, day):
                pending.append(change.name)
        except (ServerUnavailable, ServerRefused) as error:
            # one without an answer may have been taken
            doubtful = needed[: k + isinstance(error, ServerUnavailable)]
            stay = [one.name for one in reversed(doubtful) if not _set_back(server, one, day)]
            told = (
                f"the budgets of {', '.join(stay)} may have changed and could not be set back"
                if stay
                else "what had been applied is set back"
            )
            raise BudgetsNotApplied(
                f"the budget of {change.name} for {day} could not be applied ({error}); {told}. Run it again: it goes "
                "on from what the server has."
            ) from error
    return pending


def _set_back(server: Server, change: Change, day: date) -> bool:
    with suppress(ServerUnavailable, ServerRefused):
        server.plan_budget(change.name, change.before, day)
        return True
    return False
