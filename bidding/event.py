"""The events that follow an exposure, in the one order that arrays hold them in."""

from __future__ import annotations

from typing import Final, Literal, get_args

Event = Literal["view", "complete", "like", "comment", "share", "follow", "convert"]
"""What an exchange or a player may tell of a won exposure."""

EVENTS: Final[tuple[Event, ...]] = get_args(Event)
VIEW, COMPLETE, LIKE, COMMENT, SHARE, FOLLOW, CONVERT = range(len(EVENTS))
INTERACTIONS: Final = slice(LIKE, FOLLOW + 1)
"""Where the events lie that people answer with: like, comment, share, follow."""
MOST_EVENTS: Final = 255
"""Events of one type that are told of one exposure, at most: logs keep each count in a byte."""
