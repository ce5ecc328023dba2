"""What a bid server's won exposures were expected to bring, and what was told that they brought: a table of their own.

A replay needs the outcome of every auction, and a server knows those that it won: they stand apart, one row each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import NotALog, UnreadableFile
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.decisions import WON
from bidpilot.envs.logs.headers import require_columns
from bidpilot.envs.logs.incidents import UnderIncident, without_incidents
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.envs.logs.outcomes import Plain, as_it_is, read_outcomes
from bidpilot.envs.logs.storage import WON_FILE

SCHEMA = pl.Schema(
    {
        "date": pl.String,  # YYYY-MM-DD, of the campaign's day
        "campaign": pl.String,
        "source": pl.Int64,
        "format": pl.String,  # that was asked for; empty where the server did not log it
        "hour": pl.Int64,  # UTC, 0 .. 23
        **dict.fromkeys(KPI, pl.Float64),  # predicted
        "viewed": pl.Float64,  # 1 where a view was told
        "interacted": pl.Float64,  # interactions that were told, weighed
        "converted": pl.Float64,  # conversions that were told
    }
)
_READ = ("key", "result", "campaign", "date", "slot", "slots", "time", "source", *KPI)


def read_won(
    files: Iterable[str | Path], incidents: Sequence[UnderIncident] = (), plain: Plain = as_it_is
) -> pl.DataFrame:
    """The won exposures of a decision log with their outcomes, `SCHEMA`; those under an incident are left out.

    Of each bid each type of event counts once, as the server counts it; what is told of bids that were lost or that
    nobody billed is no row's.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn: from the files.
    """
    paths = decision_files(files)
    rows = read_decision_rows(paths, _READ, plain, {"format": pl.String}).filter(pl.col("result") == WON)
    rows, _ = without_incidents(rows.with_columns(reason=pl.lit(None, pl.String)), incidents)
    events = read_outcomes(dict.fromkeys(path.parent for path in paths), plain)
    sums = events.group_by("key").agg(
        viewed=(pl.col("event") == "view").any().cast(pl.Float64),
        interacted=pl.col("interaction").sum(),
        converted=pl.col("conversion").sum(),
    )
    found = (
        rows.filter(pl.col("reason").is_null())
        .with_columns(pl.col("format").fill_null(""), hour=(pl.col("time") // 3600).cast(pl.Int64) % 24)
        .join(sums, on="key", how="left", maintain_order="left")
        .with_columns(pl.col("viewed", "interacted", "converted").fill_null(0.0))
    )
    return found.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def won_of(log: Path, incidents: Sequence[UnderIncident] = (), plain: Plain = as_it_is) -> pl.DataFrame:
    """The same of a folder: a bid server's decision log, or one that was imported.

    Raises:
        NotALog: the imported log is of no bid server.
        NoFilesMatched, UnreadableFile, MissingColumn: from the files.
    """
    if not (log / MANIFEST_FILE).is_file():
        return read_won([log], incidents, plain)
    path = log / WON_FILE
    if not path.is_file():
        raise NotALog(
            f"{log} holds no won exposures: it is of no bid server, or a version before imported it. Import the "
            "decisions again, or give their folder."
        )
    try:
        require_columns(list(pl.read_parquet_schema(path)), tuple(SCHEMA), str(path))
        return pl.read_parquet(path, columns=list(SCHEMA)).cast(SCHEMA)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Import the decisions again.") from error
