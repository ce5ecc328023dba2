"""Rows of mapped files as typed rows: every column by an expression, every fault with its reason."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import InvalidMapping
from bidpilot.bidding.event import EVENTS, MOST_EVENTS
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.traffic.sources import cluster_of
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs.auction_log import EVENT_COLUMNS
from bidpilot.envs.logs.files import RAGGED, TextLayout, columns_of, read_batches
from bidpilot.envs.logs.formats import REASON_FIELDS, Format, ImportOptions, plain_text
from bidpilot.envs.logs.identities import Identities
from bidpilot.envs.logs.mapping import KpiMap, Mapping, TierMap, load_mapping
from bidpilot.envs.logs.terms import TERMS
from bidpilot.envs.logs.times import DAY_MS, Times
from bidpilot.envs.logs.truth import truth

HASH_KEY = "BIDPILOT_HASH_KEY"
REASON_TIME = "the time is missing or cannot be read"
REASON_YEARS = "the time lies outside the years that the mapping allows"
REASON_WON = "whether it was won is missing, or no word for yes or no (name such words as won_when, lost_when)"
REASON_PRICE = "the market price is missing, negative or not finite"
REASON_BID = "the recorded bid is negative or not finite"
REASON_TERMS = "budget, conversion value or target is no number above zero"
REASON_CAMPAIGN = "the campaign is missing"
REASON_EVENTS = f"a count of events is missing or no whole number from 0 to {MOST_EVENTS}"


def reason_kpi(kpi: str) -> str:
    """Why a row's KPI cannot be used."""
    return f"{kpi} is missing or " + ("negative" if kpi == "interaction" else "not in [0, 1]")


def mapped_format(options: ImportOptions, paths: list[Path]) -> Format:
    """The format of one's own files, by the mapping that the options name.

    Raises:
        InvalidMapping: the mapping does not fit, or hashes are asked for without a key.
    """
    return format_of(load_mapping(options.mapping), "mapping", paths)


def format_of(mapping: Mapping, name: str, paths: list[Path], notes: tuple[str, ...] = ()) -> Format:
    """The format that a mapping describes. Raises `InvalidMapping`."""
    rows = MappedRows(mapping, paths)
    realised = tuple(kpi for kpi, how in mapping.kpis.items() if how.realised)
    recorded = {"interaction": mapping.interacted, "conversion": mapping.converted}
    zone = f"days are cut at {mapping.time.day_starts}:00 in {mapping.time.zone}"
    truth = ("true = predicted: the log has no true expectations",)
    absent = [f"{kpi} = {1 if kpi == 'exposure' else 0}: not in the files" for kpi in KPI if kpi not in mapping.kpis]
    censored: tuple[str, ...] = ()
    if mapping.price is not None and (mapping.price.won or name == "ipinyou"):
        censored = ("prices were seen only where the recorded bidder won: the log is censored at its bids",)

    def label(period: int, campaign: str) -> tuple[str, str]:
        day = f"day {period}" if rows.times.from_zero else str(pl.Series([period], dtype=pl.Int32).cast(pl.Date)[0])
        return (f"campaign {campaign}, {day}" if mapping.campaign else day), day

    return Format(
        name=name,
        slots=mapping.slots,
        used=rows.used,
        present=lambda path: columns_of(path, rows.layout, rows.used),
        read=lambda path: read_batches(path, rows.used, rows.layout),
        typed=rows.typed,
        text=rows.text,
        label=label,
        notes=(*notes, zone, *truth, *censored, *absent),
        whose=mapping.campaign,
        has_prices=mapping.price is not None,
        rated=realised,
        outcomes=tuple(kpi for kpi in KPI if kpi in realised or recorded.get(kpi) is not None),
        events=tuple(event for event in EVENTS if event in mapping.events),
        timed=True,
        hashed=mapping.hash,
        cut=lambda: None if rows.times.from_zero else Cut(mapping.time.zone, mapping.time.day_starts),
        found=rows.notes,
    )


class MappedRows:
    """Types the raw rows of a mapping's files."""

    def __init__(self, mapping: Mapping, paths: list[Path]) -> None:
        self._mapping = mapping
        self._key = os.environ.get(HASH_KEY, "").encode()
        if mapping.hash and not self._key:
            raise InvalidMapping(
                f"The mapping keeps {', '.join(mapping.hash)} as keyed hashes, but {HASH_KEY} is empty. Set it to a "
                "secret of your own (it is not stored), or leave the columns out."
            )
        self.layout = TextLayout(mapping.separator, mapping.quote, mapping.columns, mapping.encoding)
        self.used = tuple(dict.fromkeys(self._columns()))
        self.times = Times(mapping.time, mapping.slots)
        tier = mapping.tier.column if isinstance(mapping.tier, TierMap) else mapping.tier
        ids = (mapping.campaign, *mapping.key, *mapping.rate_by, mapping.channel, tier, mapping.source, *mapping.hash)
        # A column of times is no id, even where it is a part of the key.
        self._identities = Identities(name for name in ids if name is not None and name != mapping.time.column)
        # Of what is read, these may name a person, or what a person saw.
        self._personal = {*mapping.hash, *mapping.key, *mapping.rate_by, mapping.source}
        self._heads = pl.Series(dtype=pl.String)
        if isinstance(mapping.tier, TierMap):
            self._personal.add(mapping.tier.column)
            self._heads = self._find_heads(mapping.tier, paths)

    def typed(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Typed columns and the reason why a row cannot be used."""
        mapping = self._mapping
        raw = raw.with_columns(
            pl.col(name).replace(list(mapping.missing), [None] * len(mapping.missing))
            for name in self.used
            if raw.schema[name] == pl.String
        )
        raw = self._identities.one_spelling(raw)
        moments = self.times.read(raw)
        columns: dict[str, pl.Expr] = {
            "period": (moments.wall // DAY_MS).cast(pl.Int32),
            "slot": (moments.wall % DAY_MS * mapping.slots // DAY_MS).cast(pl.Int16),
            "arrival": moments.epoch,
            "campaign": pl.col(mapping.campaign).cast(pl.String) if mapping.campaign else pl.lit("all"),
            "segment": self._segment(),
        }
        if mapping.key:
            named = pl.all_horizontal(pl.col(mapping.key).is_not_null())
            columns["key"] = pl.when(named).then(pl.struct(pl.col(name).cast(pl.String) for name in mapping.key).hash())
        if mapping.rate_by:
            columns["group"] = pl.struct(pl.col(name).cast(pl.String) for name in mapping.rate_by).hash()
        for kpi, how in mapping.kpis.items():
            columns[f"outcome_{kpi}" if how.realised else kpi] = _kpi(how, _words(raw) if how.realised else ())
        for outcome, kpi in ((mapping.interacted, "interaction"), (mapping.converted, "conversion")):
            if outcome is not None:
                columns[f"outcome_{kpi}"] = _kpi(outcome, _words(raw))
        words = _words(raw)
        for event, column in mapping.events.items():
            columns[EVENT_COLUMNS[event]] = _whole(column, words)
        for term in TERMS:
            value = getattr(mapping, term)
            if value is not None:
                columns[term] = _number(value) if isinstance(value, str) else pl.lit(value)
        if mapping.price is not None:
            columns |= self._price()
        given = {f"{term}_given": pl.col(getattr(mapping, term)).is_not_null() for term in self._term_columns()}
        helpers = {"won": self._won(), "readable": moments.readable, "plausible": moments.plausible, **given}
        rows = raw.select(*(expression.alias(name) for name, expression in (columns | helpers).items()), RAGGED)
        self.times.look(rows["readable"], rows["plausible"], raw)
        rows = rows.with_columns(self._reason(set(columns)).alias("reason"))
        extra = {name: _keyed(raw[name], self._key) for name in mapping.hash}
        if mapping.source:
            extra["source"] = _clusters(raw[mapping.source])
        return rows.drop(*helpers, RAGGED).with_columns(column.alias(name) for name, column in extra.items())

    def notes(self) -> list[str]:
        """What was found in the rows that were typed."""
        return [*self.times.notes, *self._identities.notes]

    def text(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Rows set aside: numbers and times as read, other text only by its length, identifiers not at all."""
        kept = [name for name in self.used if name not in self._personal]
        # Where fields are too many or too few, what stands in a column may be another's.
        return raw.select(pl.when(RAGGED).then(None).otherwise(plain_text(name)).alias(name) for name in kept)

    def _columns(self) -> list[str]:
        mapping = self._mapping
        names: list[str | None] = [mapping.time.column, mapping.campaign, *mapping.key, *mapping.rate_by]
        if mapping.price is not None:
            names += [mapping.price.column, mapping.price.won, mapping.price.bid]
        for kpi in (*mapping.kpis.values(), mapping.interacted, mapping.converted):
            if kpi is not None:
                names += [*kpi.sum, kpi.per]
        tier = mapping.tier.column if isinstance(mapping.tier, TierMap) else mapping.tier
        terms = [getattr(mapping, term) for term in self._term_columns()]
        names += mapping.events.values()
        names += [mapping.channel, tier, mapping.source, *terms, *mapping.hash]
        return [name for name in names if name is not None]

    def _term_columns(self) -> list[str]:
        """The terms that a column tells."""
        return [term for term in TERMS if isinstance(getattr(self._mapping, term), str)]

    def _won(self) -> pl.Expr:
        price = self._mapping.price
        if price is None or price.won is None:
            return pl.lit(True)
        return truth(price.won, price.won_when, price.lost_when)

    def _price(self) -> dict[str, pl.Expr]:
        price = self._mapping.price
        assert price is not None
        seen = _number(price.column) * price.unit
        columns = {"market_price": pl.when(self._won()).then(seen).otherwise(None).cast(pl.Float32)}
        if price.bid is not None:
            columns["bid"] = (_number(price.bid) * price.unit).cast(pl.Float32)
        return columns

    def _segment(self) -> pl.Expr:
        channel = _named(self._mapping.channel) if self._mapping.channel else pl.lit("feed")
        tier = self._mapping.tier
        if tier is None:
            second = pl.lit("head")
        elif isinstance(tier, str):
            second = _named(tier)
        else:
            is_head = pl.col(tier.column).cast(pl.String).is_in(self._heads.implode())
            second = pl.when(is_head).then(pl.lit("head")).otherwise(pl.lit("tail"))
        return pl.concat_str(channel, pl.lit("/"), second)

    def _find_heads(self, tier: TierMap, paths: list[Path]) -> pl.Series:
        """The most frequent values that together make all but `tail_share` of the rows."""
        counts = pl.DataFrame(schema={"value": pl.String, "n": pl.UInt64})
        for path in paths:
            for raw in read_batches(path, [tier.column], self.layout):
                batch = self._identities.one_spelling(raw, count=False)
                found = batch.group_by(pl.col(tier.column).cast(pl.String).alias("value")).agg(
                    pl.len().cast(pl.UInt64).alias("n")
                )
                counts = pl.concat([counts, found]).group_by("value").agg(pl.col("n").sum())
        counts = counts.sort("n", "value", descending=[True, False])
        before = pl.col("n").cum_sum() - pl.col("n")
        return counts.filter(before < (1 - tier.tail_share) * pl.col("n").sum())["value"]

    def _reason(self, given: set[str]) -> pl.Expr:
        def outside(name: str, low: float, high: float) -> pl.Expr:
            return ~(pl.col(name).is_finite() & pl.col(name).is_between(low, high)).fill_null(False)

        greatest = 3.4e38
        faults = [(pl.col(RAGGED), REASON_FIELDS), (~pl.col("readable"), REASON_TIME)]
        faults.append((~pl.col("plausible"), REASON_YEARS))
        faults.append((pl.col("campaign").is_null(), REASON_CAMPAIGN))
        if self._mapping.price is not None:
            faults.append((pl.col("won").is_null(), REASON_WON))
            faults.append((pl.col("won") & outside("market_price", 0.0, greatest), REASON_PRICE))
        if "bid" in given:
            faults.append((pl.col("bid").is_not_null() & outside("bid", 0.0, greatest), REASON_BID))
        for kpi in KPI:
            high = greatest if kpi == "interaction" else 1.0
            names = {kpi, f"outcome_{kpi}"} & given
            faults += [(outside(name, 0.0, high), reason_kpi(kpi)) for name in sorted(names)]
        # A day's terms may be written once: what an auction lacks, others of its day have.
        faults += [
            (pl.col(f"{term}_given") & outside(term, 1e-300, greatest), REASON_TERMS) for term in self._term_columns()
        ]
        faults += [(pl.col(EVENT_COLUMNS[event]).is_null(), REASON_EVENTS) for event in self._mapping.events]
        # The first fault that a row has is its reason.
        return pl.coalesce(pl.when(fault).then(pl.lit(reason)) for fault, reason in faults)


def _number(name: str) -> pl.Expr:
    """A column as Float64; null where it is no number."""
    return pl.col(name).cast(pl.Float64, strict=False)


def _words(raw: pl.DataFrame) -> tuple[str, ...]:
    """The columns of text, where an outcome may be a word for yes or no."""
    return tuple(name for name, dtype in raw.schema.items() if dtype == pl.String)


def _value(name: str, words: tuple[str, ...]) -> pl.Expr:
    """A column as Float64; in the columns `words`, yes is 1 and no is 0."""
    return pl.coalesce(_number(name), truth(name).cast(pl.Float64)) if name in words else _number(name)


def _kpi(how: KpiMap, words: tuple[str, ...] = ()) -> pl.Expr:
    """A KPI; in the columns `words`, yes is 1 and no is 0."""
    if how.constant is not None:
        return pl.lit(how.constant, dtype=pl.Float32)
    total = pl.sum_horizontal((_value(name, words) * weight for name, weight in how.sum.items()), ignore_nulls=False)
    if how.per is not None:
        total = total / _number(how.per)
    if how.cap is not None:  # a division by zero is no great value, and stays infinite
        total = pl.when(total.is_finite() & (total > how.cap)).then(how.cap).otherwise(total)
    return total.cast(pl.Float32)


def _whole(name: str, words: tuple[str, ...]) -> pl.Expr:
    """A count of events, yes being 1 and no 0 in the columns `words`; null where it is none."""
    count = _value(name, words)
    return pl.when(count == count.floor()).then(count).otherwise(None).cast(pl.UInt8, strict=False)


def _named(column: str) -> pl.Expr:
    """A name for a segment's part: numbers are told from one another by their column."""
    text = pl.col(column).cast(pl.String).fill_null("unknown").str.replace_all("/", "-", literal=True)
    return pl.when(text.str.contains(r"^\d+$")).then(pl.format(f"{column}-{{}}", text)).otherwise(text)


def _keyed(column: pl.Series, key: bytes) -> pl.Series:
    """Keyed hashes (blake2b, 64 bits) of identifiers; null stays null."""
    distinct = column.cast(pl.String).unique().drop_nulls()
    hashes = [
        int.from_bytes(hashlib.blake2b(text.encode(), key=key[:64], digest_size=8).digest(), "big") for text in distinct
    ]
    return column.cast(pl.String).replace_strict(
        distinct, pl.Series(hashes, dtype=pl.UInt64), default=None, return_dtype=pl.UInt64
    )


def _clusters(column: pl.Series) -> pl.Series:
    """The cluster of each publisher, the same in every log and in a bid server; the pool where it has no id."""
    text = column.cast(pl.String).fill_null("")
    distinct = text.unique()
    ids = [cluster_of(value) for value in distinct]
    return text.replace_strict(distinct, pl.Series(ids, dtype=pl.Int16), return_dtype=pl.Int16)
