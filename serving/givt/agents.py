"""Parts of user agents, of which one is found in time that grows with the agent's length alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

MOST_AGENT = 1024
"""Characters of a user agent; no browser sends one that is longer."""

_LONGEST = 4  # characters of a mark


class Agents:
    """Parts of user agents, whatever their capitals.

    Each part is looked for only where an agent has its mark: those of its pieces of a few characters that the fewest
    other parts have.

    Args:
        parts: as they are written in a list; not empty.
    """

    def __init__(self, parts: Iterable[str]) -> None:
        told = {part.lower() for part in parts}
        sizes = {part: min(len(part), _LONGEST) for part in told}
        common = Counter(piece for part in told for piece in _pieces(part, sizes[part]))
        marks: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for part, size in sizes.items():
            marks[size][min(_pieces(part, size), key=lambda piece: (common[piece], piece))].append(part)
        self._marks = {size: dict(parts_of) for size, parts_of in marks.items()}
        self.count = len(told)

    def found(self, agent: str) -> bool:
        """Whether one is in an agent, or it is too long to be looked at."""
        if len(agent) > MOST_AGENT:
            return True
        text = agent.lower()
        return any(
            part in text
            for size, parts_of in self._marks.items()
            for piece in parts_of.keys() & _pieces(text, size)
            for part in parts_of[piece]
        )


def _pieces(text: str, size: int) -> set[str]:
    return {text[k : k + size] for k in range(len(text) - size + 1)}
