"""Importer of iPinYou logs (Zhang et al., "Real-time bidding benchmarking with iPinYou", 2014), in three forms.

As the contest published them: see `ipinyou_contest`. Raw, as make-ipinyou-data writes it: tab-separated with a
header, one won impression per row. Short, as the experiments of Cai et al.
(WSDM 2017) use it: `click price prediction [exchange]`, separated by blanks, without header or times.
Prices stay in the log's integers, fen per 1,000 exposures. A click is what converts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.envs.logs.files import is_parquet, read_lines
from bidpilot.envs.logs.formats import DEFAULT_SEGMENT, Format, ImportOptions, plain_text
from bidpilot.envs.logs.ipinyou_contest import JOINED_BY, Kind, contest_format, contest_kind
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import KpiMap, Mapping, PriceMap, TimeMap
from bidpilot.envs.logs.plain import first_line

MAPPING = Mapping(
    separator="\t",
    quote=None,
    time=TimeMap(column="timestamp", form="%Y%m%d%H%M%S%3f", zone="Asia/Shanghai"),
    campaign="advertiser",
    key=JOINED_BY,  # one bid may show several creatives
    price=PriceMap(column="payprice", bid="bidprice"),
    conversion=KpiMap(sum={"click": 1.0}, realised=True),
    rate_by=("adexchange", "slotwidth", "slotheight", "slotvisibility", "slotformat", "creative"),
    channel="adexchange",
    source="domain",
)
"""The raw form. A click's prediction is the click rate of the same creative, place and exchange on other days."""

SHORT_FIELDS = ("click", "price", "prediction", "exchange")
SHORT_SLOTS = 48
REASON_SHORT = "the row is not `click price prediction [exchange]`"
REASON_CLICK = "click is neither 0 nor 1"
REASON_PRICE = "price is missing, negative or not finite"
REASON_PREDICTION = "prediction is missing or not in [0, 1]"
PRICE_NOTE = "currency: the log's integers, fen per 1,000 exposures"
CLICK_NOTE = "a click is what converts"
NOTHING_ELSE_NOTE = "exposure = 1 and interaction = 0: not in the files"
CENSORED_NOTE = "prices were seen only where the recorded bidder won: the log is censored at its bids"
_SHORT_LINE = r"^\s*(\S+)\s+(\S+)\s+(\S+)(?:\s+(\S+))?\s*$"


def ipinyou_format(options: ImportOptions, paths: list[Path]) -> Format:
    """The format of these files, by their first lines.

    Raises:
        UnreadableFile: files of several forms, one that is empty, or contest files without impressions.
    """
    forms = {path: _form(path) for path in paths}
    kinds: dict[Path, Kind] = {path: form for path, form in forms.items() if form != "raw" and form != "short"}
    families = {"contest" if path in kinds else forms[path] for path in paths}
    if len(families) > 1:
        other = next(path for path in paths if (path in kinds, forms[path]) != (paths[0] in kinds, forms[paths[0]]))
        raise UnreadableFile(f"{paths[0]} and {other} are of different iPinYou forms. Import them one by one.")
    if kinds:
        return contest_format(MAPPING, kinds, (PRICE_NOTE,), CLICK_NOTE)
    if families == {"raw"}:
        return format_of(MAPPING, "ipinyou", paths, (PRICE_NOTE, CLICK_NOTE))
    return short_format(options)


def _form(path: Path) -> Kind | Literal["raw", "short"]:
    """Which form a file has."""
    if is_parquet(path):
        return "raw"
    line = first_line(path)
    try:
        kind = contest_kind(line)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from None
    return kind or ("raw" if len(line.split("\t")) > len(SHORT_FIELDS) else "short")


def short_format(options: ImportOptions) -> Format:
    """The short form, cut into days of `options.episode` auctions in the order of the rows."""
    rows = _ShortRows(options.episode)
    return Format(
        name="ipinyou",
        slots=SHORT_SLOTS,
        used=SHORT_FIELDS,
        present=lambda _path: list(SHORT_FIELDS),
        read=_read_short,
        typed=rows.typed,
        text=lambda raw: raw.select(plain_text(name) for name in SHORT_FIELDS),
        label=lambda period, _campaign: (f"episode {period}", f"episode {period}"),
        notes=(
            f"no times in the files: a day is an episode of {options.episode} auctions in the order of the rows",
            PRICE_NOTE,
            CLICK_NOTE,
            NOTHING_ELSE_NOTE,
            "true = predicted: the log has predicted click rates only",
            CENSORED_NOTE,
        ),
        outcomes=("conversion",),
    )


class _ShortRows:
    """Types rows of the short form; it counts usable rows over all files, since they cut the days."""

    def __init__(self, episode: int) -> None:
        self._episode = episode
        self._usable = 0

    def typed(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Typed columns and the reason why a row cannot be used."""
        click, price, theta, exchange = (pl.col(name).cast(pl.Float64, strict=False) for name in SHORT_FIELDS)
        reason = (
            pl.when(pl.col("prediction").is_null() | (pl.col("exchange").is_not_null() & exchange.is_null()))
            .then(pl.lit(REASON_SHORT))
            .when(~click.is_in([0.0, 1.0]).fill_null(False))
            .then(pl.lit(REASON_CLICK))
            .when(~(price.is_finite() & price.is_between(0, 3.4e38)).fill_null(False))
            .then(pl.lit(REASON_PRICE))
            .when(~(theta.is_finite() & theta.is_between(0, 1)).fill_null(False))
            .then(pl.lit(REASON_PREDICTION))
            .otherwise(None)
        )
        rows = raw.select(
            reason.alias("reason"),
            market_price=price,
            conversion=theta,
            outcome_conversion=click,
            segment=pl.when(exchange.is_not_null())
            .then(pl.format("exchange-{}/head", exchange.cast(pl.Int64, strict=False)))
            .otherwise(pl.lit(DEFAULT_SEGMENT)),
        )
        place = self._usable + pl.col("reason").is_null().cum_sum().cast(pl.Int64) - 1
        rows = rows.with_columns(place=place)
        self._usable += int(rows["reason"].null_count())
        within = pl.col("place") % self._episode
        return rows.select(
            pl.all().exclude("place"),
            period=(pl.col("place").clip(0) // self._episode).cast(pl.Int32),
            campaign=pl.lit("all"),
            slot=(within * SHORT_SLOTS // self._episode).cast(pl.Int16),
            arrival=pl.col("place"),
        )


def _read_short(path: Path) -> Iterator[pl.DataFrame]:
    for lines in read_lines(path):
        fields = pl.col("line").str.extract_groups(_SHORT_LINE)
        yield lines.select(fields.struct.rename_fields(list(SHORT_FIELDS)).struct.unnest(), "row")
