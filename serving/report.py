"""What bidders of one budget tell each other of a slot, as bytes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, fields

import msgspec
import numpy as np

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidReport
from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.serving.seen import Seen

_VERSION = 1
_NAMES = tuple(f.name for f in fields(SlotTotals) if f.name != "ratio_quantiles")
_MOST = 1 << 22  # bytes of a report that is unpacked


@dataclass(frozen=True)
class Report:
    """One bidder's own of one slot."""

    seen: Seen
    outstanding: dict[int, int] = field(default_factory=dict)  # micro-units by slot: bids that may still be billed
    lapsed: int = 0  # micro-units of bids that ran out since its report before
    late: dict[int, SlotTotals] = field(default_factory=dict)  # by slot: what was told of it since the report before


class _Packed(msgspec.Struct, array_like=True):
    version: int
    totals: dict[str, bytes]
    shown: float
    priced: int
    bins: bytes
    unwatched: float
    outstanding: dict[int, int]
    lapsed: int
    late: dict[int, dict[str, bytes]]


_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(report: Report) -> bytes:
    """The report as bytes; columns that are zero are left out."""
    seen = report.seen
    packed = _Packed(
        version=_VERSION,
        totals=_columns(seen.totals),
        shown=seen.shown,
        priced=seen.priced,
        bins=seen.bins.astype("<i8").tobytes() if seen.bins.any() else b"",
        unwatched=seen.unwatched,
        outstanding=report.outstanding,
        lapsed=report.lapsed,
        late={slot: _columns(totals) for slot, totals in report.late.items()},
    )
    return zlib.compress(msgspec.msgpack.encode(packed), 1)


def unpack(raw: bytes, segments: int, sources: int) -> Report:
    """The report of a bidder that tells as many segments and sources apart.

    Raises:
        InvalidReport: it is none, or of a bidder that counts other things.
    """
    try:
        unzip = zlib.decompressobj()
        p = _decode(unzip.decompress(raw, _MOST))
        if p.version != _VERSION:
            raise ValueError(f"version {p.version}")
        bins = np.frombuffer(p.bins, "<i8") if p.bins else np.zeros(RATIOS.bins, np.int64)
        if len(bins) != RATIOS.bins:
            raise ValueError(f"{len(bins)} bins")
        seen = Seen(_totals(p.totals, segments, sources), p.shown, p.priced, bins, p.unwatched)
        late = {slot: _totals(columns, segments, sources) for slot, columns in p.late.items()}
    except (ValueError, zlib.error, KeyError, AttributeError) as error:  # msgspec's errors are ValueErrors
        raise InvalidReport(
            f"what another bidder tells of a slot cannot be read ({error}). Serve all bidders of one budget with the "
            "same version, bundle and --sources."
        ) from error
    return Report(seen, p.outstanding, p.lapsed, late)


def _columns(totals: SlotTotals) -> dict[str, bytes]:
    columns = {name: getattr(totals, name) for name in _NAMES}
    return {name: c.astype(c.dtype.newbyteorder("<")).tobytes() for name, c in columns.items() if c.any()}


def _totals(columns: dict[str, bytes], segments: int, sources: int) -> SlotTotals:
    totals = SlotTotals.zeros(1, segments, sources)
    for name, raw in columns.items():
        if name not in _NAMES:
            raise ValueError(f"a column {name!r}")
        column = getattr(totals, name)
        column[:] = np.frombuffer(raw, column.dtype.newbyteorder("<")).reshape(column.shape)
    return totals
