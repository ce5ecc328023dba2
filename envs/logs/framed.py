"""Auctions from a data frame, by the machinery that imports files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping as Keys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from bidpilot.bidding.errors import InvalidMapping
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.formats import ImportOptions, in_words
from bidpilot.envs.logs.importing import import_files
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import mapping_of

_OPTIONS = {"budget", "budget_share", "conversion_value", "terms", "lost", "seed"}


def log_from_frame(frame: Any, mapping: Keys[str, Any] | str | Path, name: str, options: Keys[str, Any]) -> AuctionLog:
    """What `AuctionLog.from_frame` gives."""
    asked = mapping_of(mapping)
    unknown = set(options) - _OPTIONS
    if unknown:
        raise InvalidMapping(f"a frame takes no option {min(unknown)!r}: use {', '.join(sorted(_OPTIONS))}.")
    with TemporaryDirectory(prefix="bidpilot-frame-") as folder:
        file = Path(folder) / "frame.parquet"
        _polars(frame).write_parquet(file)
        found = import_files(
            lambda paths: format_of(asked, "mapping", paths),
            [file],
            replace(ImportOptions(), **options),
            name,
            Path(folder) / "staging",
            in_memory=True,
        )
    if found.reasons:
        warnings.warn(
            f"{sum(found.reasons.values()):,} of {found.rows_in:,} rows are left out: {in_words(found.reasons)}.",
            stacklevel=3,
        )
    return found.log


def _polars(frame: Any) -> pl.DataFrame:
    """A Polars frame of the same columns; the index of a pandas frame is none of them."""
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    try:
        return pl.from_dataframe(frame)
    except TypeError:
        raise InvalidMapping(
            f"a {type(frame).__name__} is no data frame: give one of Polars, pandas or Arrow."
        ) from None
