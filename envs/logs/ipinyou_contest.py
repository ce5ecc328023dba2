"""iPinYou's logs as the contest published them (seasons 2 and 3): files without header, impressions apart from clicks.

`imp.*.txt`, `clk.*.txt` and `conv.*.txt` have 24 columns, separated by tabs; the kind of a row is its log type (1
impression, 2 click, 3 conversion). A click or conversion belongs to the impression with its bid id and creative: one
bid may show several creatives. Files of the leaderboard's test sets have two counts at the end. The bid logs
(`bid.*.txt`) have neither log type nor price; a bid without an impression was lost at a price that nobody saw.

Source of the columns and of the join: schema.txt and mkdata.py of wnzhang/make-ipinyou-data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import polars as pl

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.envs.logs.files import TextLayout, read_batches
from bidpilot.envs.logs.formats import Format
from bidpilot.envs.logs.identities import Identities
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import KpiMap, Mapping

COLUMNS = (
    *("bidid", "timestamp", "logtype", "ipinyouid", "useragent", "IP", "region", "city", "adexchange", "domain"),
    *("url", "urlid", "slotid", "slotwidth", "slotheight", "slotvisibility", "slotformat", "slotprice", "creative"),
    *("bidprice", "payprice", "keypage", "advertiser", "usertag"),
)
TEST_COLUMNS = (*COLUMNS, "nclick", "nconversation")
OUTCOMES = ("click", "conversion")
JOINED_BY = ("bidid", "creative")
NO_CLICKS_NOTE = "conversion = 0: no file of clicks was named beside the impressions"
CONVERSIONS_NOTE = "a conversion is one of the conversion files, and a click is an interaction"
_KINDS: dict[str, Literal["impressions", "clicks", "conversions"]] = {
    "1": "impressions",
    "2": "clicks",
    "3": "conversions",
}
_TIME = re.compile(r"\d{17}")
_BID_COLUMNS = (20, 21)

Kind = Literal["impressions", "clicks", "conversions", "bids", "test"]


def contest_kind(line: str) -> Kind | None:
    """Which of the contest's files begins with this line; None where it is none of them.

    Raises:
        UnreadableFile: the line is a contest row with another number of columns than any season's.
    """
    fields = line.split("\t")
    if len(fields) < 3 or not _TIME.fullmatch(fields[1].strip()):
        return None
    if len(fields) == len(TEST_COLUMNS):
        return "test"
    if len(fields) == len(COLUMNS) and fields[2].strip() in _KINDS:
        return _KINDS[fields[2].strip()]
    if len(fields) in _BID_COLUMNS:
        return "bids"
    raise UnreadableFile(
        f"a row has {len(fields)} columns and no header: the contest's seasons 2 and 3 have {len(COLUMNS)} in files of "
        f"impressions, clicks and conversions. Season 1 cannot be read."
    )


def contest_format(mapping: Mapping, kinds: dict[Path, Kind], notes: tuple[str, ...], click_note: str) -> Format:
    """The format of contest files that are imported together.

    Args:
        mapping: how the columns of an impression become an auction, whose conversion is a click.
        kinds: the kind of each file.
        notes: what a reader of any iPinYou log must know.
        click_note: what is said where a click is what converts.

    Raises:
        UnreadableFile: no file has impressions, or a test set lies beside others.
    """
    of_kind = {kind: [path for path in kinds if kinds[path] == kind] for kind in set(kinds.values())}
    test = of_kind.get("test", [])
    if test and len(of_kind) > 1:
        raise UnreadableFile(f"{test[0]} is a test set with outcomes of its own. Import it apart from the others.")
    impressions = test or of_kind.get("impressions", [])
    if not impressions:
        raise UnreadableFile(
            f"{next(iter(kinds))} has no impressions, and no other file does. Name the imp.*.txt files as well."
        )
    clicks, conversions = of_kind.get("clicks", []), of_kind.get("conversions", [])
    changes: dict[str, KpiMap | None] = {}
    if conversions:
        changes = {"conversion": KpiMap(sum={"conversion": 1.0}, realised=True), "interaction": None}
        if clicks:
            changes["interaction"] = KpiMap(sum={"click": 1.0}, realised=True)
        said = CONVERSIONS_NOTE
    elif clicks or test:
        said = click_note
    else:
        changes, said = {"exposure": KpiMap(constant=1.0), "conversion": None}, NO_CLICKS_NOTE
    columns = TEST_COLUMNS if test else COLUMNS
    mapping = mapping.model_copy(update={"columns": columns, **changes})
    joined = _Joined(TextLayout("\t", None, columns, mapping.encoding), clicks, conversions)
    format = format_of(mapping, "ipinyou", impressions, (*notes, said))
    needed = tuple(name for name in format.used if name not in OUTCOMES)
    return replace(
        format,
        present=lambda _path: list(columns),
        read=lambda path: joined.read(path, needed),
        found=lambda: [*format.found(), *joined.notes(len(of_kind.get("bids", [])))],
        auctions=tuple(impressions),
    )


class _Joined:
    """Reads impressions with their outcomes; clicks and conversions are few and stay in memory."""

    def __init__(self, layout: TextLayout, clicks: Sequence[Path], conversions: Sequence[Path]) -> None:
        self._layout = layout
        self._outcomes = {"click": self._keys(clicks), "conversion": self._keys(conversions)}
        self._found = {name: keys.clear() for name, keys in self._outcomes.items()}

    def read(self, path: Path, needed: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Batches of the needed columns, with `click` and `conversion` (0 or 1) of each impression."""
        counts = ("nclick",) if "nclick" in self._layout.columns else ()
        for batch in read_batches(path, (*needed, *counts), self._layout):
            if counts:
                number = pl.col("nclick").cast(pl.Float64, strict=False)
                yield batch.with_columns(click=(number > 0).cast(pl.Float64)).drop(counts)
                continue
            keys = Identities(JOINED_BY).one_spelling(batch.select(JOINED_BY), count=False)
            yield batch.with_columns(self._happened(name, keys) for name in OUTCOMES)

    def notes(self, bid_files: int) -> list[str]:
        """Outcomes that no impression has, and files that were not read."""
        out = [
            f"{missing} {name}s have no impression with their bid id and creative in the files"
            for name, keys in self._outcomes.items()
            if (missing := keys.height - self._found[name].height)
        ]
        if bid_files:
            out.append(f"{bid_files} bid files were not read: a bid that lost has no price")
        return out

    def _happened(self, name: str, keys: pl.DataFrame) -> pl.Series:
        own = self._outcomes[name]
        matched = keys.join(own.with_columns(hit=pl.lit(1.0)), on=JOINED_BY, how="left", maintain_order="left")
        hits = matched.filter(pl.col("hit").is_not_null()).select(JOINED_BY)
        self._found[name] = pl.concat([self._found[name], hits]).unique()
        return matched["hit"].fill_null(0.0).alias(name)

    def _keys(self, paths: Sequence[Path]) -> pl.DataFrame:
        """The distinct (bid id, creative) of the rows of files."""
        keys = pl.DataFrame(schema=dict.fromkeys(JOINED_BY, pl.String))
        for path in paths:
            for batch in read_batches(path, JOINED_BY, self._layout):
                spelled = Identities(JOINED_BY).one_spelling(batch.select(JOINED_BY), count=False)
                keys = pl.concat([keys, spelled.drop_nulls()]).unique()
        return keys
