"""Segments: channel x content tier, named "channel/tier"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import NoTailContent, UnknownChannel


def channels(segments: Sequence[str]) -> tuple[str, ...]:
    """The channels of segments, in order of first appearance."""
    return tuple(dict.fromkeys(name.partition("/")[0] for name in segments))


def channel_index(segments: Sequence[str]) -> NDArray[np.int64]:
    """(S,) position of each segment's channel in `channels`."""
    order = {name: k for k, name in enumerate(channels(segments))}
    return np.array([order[name.partition("/")[0]] for name in segments], np.int64)


def is_tail(segments: Sequence[str]) -> NDArray[np.bool_]:
    """(S,) true for segments of long-tail content."""
    return np.array([name.endswith("/tail") for name in segments], np.bool_)


def check_tail(segments: Sequence[str]) -> None:
    """Refuse segments of which none is of long-tail content.

    Raises:
        NoTailContent: names those there are.
    """
    if not is_tail(segments).any():
        raise NoTailContent(
            f"min_tail_share asks for long-tail content, and no segment holds any; there are {', '.join(segments)}. "
            "Leave it out, or name the tier in the log's segments (`channel/tail`)."
        )


def in_channel(channel: str, segments: Sequence[str]) -> NDArray[np.float64]:
    """(S,) 1 for segments of one channel, else 0.

    Raises:
        UnknownChannel: there is none.
    """
    check_channels((channel,), segments)
    inside: NDArray[np.bool_] = channel_index(segments) == channels(segments).index(channel)
    return inside.astype(np.float64)


def check_channels(named: Iterable[str], segments: Sequence[str]) -> None:
    """Refuse a channel that no segment belongs to.

    Raises:
        UnknownChannel: names it and those there are.
    """
    known = channels(segments)
    for name in named:
        if name not in known:
            raise UnknownChannel(f"no segment belongs to channel {name!r}; there are {', '.join(known)}. Respell it.")
