"""What one campaign's wins of a day cost and brought, as one bidder was told in the day."""

from __future__ import annotations

import msgspec

from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.told import Told

Value = tuple[float, float, float]


class DayResults(msgspec.Struct):
    """Sums over billed wins, whenever in the day they were told. Kept over restarts, from slot to slot."""

    spend: list[int]  # (S,) micro-units by segment
    predicted: list[float]  # (3,) KPIs
    realised: list[float]  # (3,) KPIs; of exposure the predicted, as no notice tells it

    @classmethod
    def none(cls, segments: int) -> DayResults:
        """Of a day that begins."""
        return cls([0] * segments, [0.0] * 3, [0.0] * 3)

    @classmethod
    def read(cls, text: str | None, segments: int) -> DayResults:
        """As it was kept; none where it was not, or for other segments."""
        if text is None:
            return cls.none(segments)
        try:
            found = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            return cls.none(segments)
        fits = len(found.spend) == segments and len(found.predicted) == len(found.realised) == 3
        return found if fits else cls.none(segments)

    def text(self) -> str:
        """To be kept."""
        return msgspec.json.encode(self).decode()

    def win(self, value: Value, segment: int, cost: int) -> None:
        """A win was billed at `cost` micro-units."""
        self.spend[segment] += cost
        for j in range(3):
            self.predicted[j] += value[j]
        self.realised[0] += value[0]

    def outcome(self, told: Told) -> None:
        """What a win brought is told, weighed."""
        self.realised[1] += told.interaction
        self.realised[2] += told.conversion

    def by_channel(self, segments: tuple[str, ...]) -> dict[str, float]:
        """Spend by channel, currency."""
        found: dict[str, float] = {}
        for name, amount in zip(segments, self.spend, strict=True):
            channel = name.partition("/")[0]
            found[channel] = found.get(channel, 0.0) + amount / MICRO
        return found
