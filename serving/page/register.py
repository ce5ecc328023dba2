"""The risk register that `bidpilot risks --json FILE` writes, as the page shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.page.operations import Grid

_PERCENT = 100.0
_DIGITS = 3  # of a share


class _Matrix(msgspec.Struct):
    likelihood: list[str]
    impact: list[str]
    entries: list[list[float]]  # (likelihood, impact)


class _Heat(msgspec.Struct):
    channels: list[str]
    lost: list[list[list[float]]]  # (risk, channel, hour) share of a day's R


class _Register(msgspec.Struct):
    matrix: _Matrix
    heat: _Heat


def read_register(path: Path) -> tuple[Grid, ...]:
    """The matrix, and what is expected to be lost by channel and hour.

    Raises:
        InvalidServing: the file cannot be read, or is no register.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Register)
        matrix, heat = found.matrix, found.heat
        lost = [
            tuple(float(f"{_PERCENT * sum(cell):.{_DIGITS}g}") for cell in zip(*hours, strict=True))
            for hours in zip(*heat.lost, strict=True)
        ]
        rows = tuple(zip(matrix.likelihood, matrix.entries, strict=True))[::-1]  # the likeliest on top
        hours = tuple(f"{hour:02d}" for hour in range(len(lost[0])))
        if {len(row) for _, row in rows} != {len(matrix.impact)} or len(lost) != len(heat.channels):
            raise ValueError("its tables have other sizes than their labels")
    except (OSError, ValueError, IndexError, msgspec.MsgspecError) as error:
        raise InvalidServing(
            f"{path} is no risk register ({error}). Write one with: bidpilot risks STATE --json FILE"
        ) from error
    counts = tuple(tuple(row) for _, row in rows)
    return (
        Grid("Risks by likelihood and impact", tuple(name for name, _ in rows), tuple(matrix.impact), counts),
        Grid("Expected loss by channel and hour", tuple(heat.channels), hours, tuple(lost), "% of a day's R"),
    )
