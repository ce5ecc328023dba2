"""Which of several creatives that fit is shown, where a campaign asks for the one that brings most: Thompson sampling.

Each creative's rate is believed to be gamma distributed, by billed exposures and what they brought; one rate of each
is drawn, and the highest is shown (Thompson 1933; Chapelle and Li 2011, section 2). Interactions are weighted, and some
exposures bring many: counts are divided by what one event brings on average, sum of squares over sum, so that their
spread is that of the counts (an over-dispersed Poisson).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from bidpilot.serving.creatives.piece import Piece

EVERY = 5.0
"""Seconds between two times that what was learnt is kept."""

_MOST_EXPOSURES = 100_000.0  # of one creative: then all its counts are halved, so that it can still be told otherwise


class Learnt(msgspec.Struct, array_like=True):
    """What one creative has brought."""

    exposures: float = 0.0
    brought: float = 0.0
    squares: float = 0.0  # of what single events brought


class Rotation:
    """What the creatives of all campaigns have brought at this bidder.

    Args:
        store: keeps the text of a campaign over restarts.
        kept: what was kept, by campaign.
        generator: draws the rates.
    """

    def __init__(
        self, store: Callable[[str, str], None], kept: Mapping[str, str], generator: random.Random | None = None
    ) -> None:
        self._store, self._random = store, generator or random.Random()
        self._learnt = {name: found for name, text in kept.items() if (found := _read(text))}
        self._changed: set[str] = set()
        self._keep_at = 0.0

    def best(self, campaign: str, pieces: Sequence[Piece]) -> int:
        """Which of them to show: the highest of rates that are drawn by what is believed of each."""
        learnt = self._learnt.get(campaign, {})
        known = [learnt.get(piece.number, _NOTHING) for piece in pieces]
        exposures, brought = sum(one.exposures for one in known), sum(one.brought for one in known)
        size = max(sum(one.squares for one in known) / brought, 1e-6) if brought > 0 else 1.0
        prior = (exposures + 1.0) / (brought / size + 1.0)  # exposures for one event: a new one is believed to be alike
        draw = self._random.gammavariate
        rates = [draw(1.0 + one.brought / size, 1.0 / (prior + one.exposures)) for one in known]
        return max(range(len(rates)), key=rates.__getitem__)

    def billed(self, campaign: str, creative: int, exposures: float = 1.0) -> None:
        """Exposures of a creative are billed."""
        one = self._of(campaign, creative)
        one.exposures += exposures
        if one.exposures > _MOST_EXPOSURES:
            one.exposures, one.brought, one.squares = one.exposures / 2, one.brought / 2, one.squares / 2

    def told(self, campaign: str, creative: int, brought: float) -> None:
        """An event of a creative's exposure is told."""
        one = self._of(campaign, creative)
        one.brought += brought
        one.squares += brought * brought

    def tend(self, now: float, creatives: Callable[[], Mapping[str, Collection[int]]]) -> None:
        """Keep what was learnt every so often. Call it often."""
        if now >= self._keep_at and self._changed:
            self._keep_at = now + EVERY
            self.keep(creatives)

    def keep(self, creatives: Callable[[], Mapping[str, Collection[int]]]) -> None:
        """Keep what has changed, at once; of creatives that there are no more, by campaign, it is forgotten."""
        served = creatives() if self._changed else {}
        for name in self._changed:
            there = served.get(name, ())
            self._learnt[name] = {number: one for number, one in self._learnt[name].items() if number in there}
            self._store(name, msgspec.json.encode(self._learnt[name]).decode())
        self._changed.clear()

    def _of(self, campaign: str, creative: int) -> Learnt:
        self._changed.add(campaign)
        return self._learnt.setdefault(campaign, {}).setdefault(creative, Learnt())


_NOTHING = Learnt()


def _read(text: str) -> dict[int, Learnt]:
    """What a text tells; nothing where it cannot be read."""
    with suppress(ValueError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads(text)
        learnt = {int(number): msgspec.convert(one, Learnt) for number, one in found.items()}
        return {number: one for number, one in learnt.items() if min(one.exposures, one.brought, one.squares) >= 0}
    return {}
