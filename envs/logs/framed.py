"""Auctions from a data frame, by the machinery that imports files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping as Keys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import polars as pl
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from bidpilot.bidding.errors import InvalidMapping
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.formats import ImportOptions, LostRule, in_words
from bidpilot.envs.logs.importing import import_files
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import mapping_of
from bidpilot.envs.logs.terms import TermsRule

_Amount = Annotated[float | None, Field(gt=0)]
_FINITE = ConfigDict(allow_inf_nan=False)
_OPTIONS: dict[str, TypeAdapter[Any]] = {
    "budget": TypeAdapter(_Amount, config=_FINITE),
    "budget_share": TypeAdapter(Annotated[float, Field(gt=0, le=1)], config=_FINITE),
    "conversion_value": TypeAdapter(_Amount, config=_FINITE),
    "terms": TypeAdapter(TermsRule),
    "lost": TypeAdapter(LostRule),
    "seed": TypeAdapter(Annotated[int, Field(ge=0)]),
}
"""What each option may be, as for `bidpilot import`."""


def log_from_frame(frame: Any, mapping: Keys[str, Any] | str | Path, name: str, options: Keys[str, Any]) -> AuctionLog:
    """What `AuctionLog.from_frame` gives."""
    asked = mapping_of(mapping)
    checked = {option: _checked(option, value) for option, value in options.items()}
    with TemporaryDirectory(prefix="bidpilot-frame-") as folder:
        file = Path(folder) / "frame.parquet"
        _polars(frame).write_parquet(file)
        found = import_files(
            lambda paths: format_of(asked, "mapping", paths),
            [file],
            replace(ImportOptions(), **checked),
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


def _checked(option: str, value: Any) -> Any:
    """The value of an option, if it may be that."""
    if option not in _OPTIONS:
        raise InvalidMapping(f"a frame takes no option {option!r}: use {', '.join(sorted(_OPTIONS))}.")
    try:
        return _OPTIONS[option].validate_python(value)
    except ValidationError as error:
        raise InvalidMapping(f"{option} = {value!r}: {error.errors()[0]['msg']}. Correct the option.") from None


def _polars(frame: Any) -> pl.DataFrame:
    """A Polars frame of the same columns; the index of a pandas frame is none of them."""
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    try:
        return pl.DataFrame(frame) if hasattr(frame, "__arrow_c_stream__") else pl.from_dataframe(frame)
    except Exception as error:  # what converts it, pandas, Arrow or Polars, raises what it likes
        cause = " ".join(str(error).split())
        raise InvalidMapping(
            f"a {type(frame).__name__} is no data frame, or cannot be read as one ({cause}). Give a data frame of "
            "Polars, pandas or Arrow whose columns each hold values of one type."
        ) from error
