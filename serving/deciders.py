"""Who decides for each campaign: an agent at its bundle's desk. Arms of an experiment have desks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bidpilot.agents.acting.agent import Agent
from bidpilot.serving.desk import Desk
from bidpilot.serving.source_book import SourceBook


@dataclass(frozen=True)
class Decider:
    """An agent, and the desk of the bundle that it is of."""

    desk: Desk
    agent: Agent


@dataclass(frozen=True)
class Deciders:
    """By campaign: an arm's own, for all others the served bundle's."""

    main: Decider
    arms: Mapping[str, Decider] = field(default_factory=dict)

    def of(self, campaign: str) -> Decider:
        """Whoever decides for a campaign."""
        return self.arms.get(campaign, self.main)

    def remember(self) -> None:
        """Let arms know of sources what is known by now: their memory is one."""
        book = self.main.desk.book
        for arm in self.arms.values():
            if isinstance(book, SourceBook) and isinstance(arm.desk.book, SourceBook):
                arm.desk.book.memory = book.memory
