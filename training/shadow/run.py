"""`bidpilot shadow`: how a shadow policy's bids differ from those that were made, and what it would have bought."""

from __future__ import annotations

import polars as pl
from rich.console import Console

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import check_preference
from bidpilot.bidding.errors import InvalidLog
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.training.cli.config import changed
from bidpilot.training.importing.run import reads_plain
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.shadow import ShadowRow, print_shadow, shadow_figure
from bidpilot.training.shadow.compare import QUANTILES, compare
from bidpilot.training.shadow.config import ShadowConfig
from bidpilot.training.tracking import open_run

_READ = {
    "campaign": pl.String, "date": pl.String, "slot": pl.Int64, "slots": pl.Int64, "floor": pl.Float64,
    "first_price": pl.Boolean, "bid": pl.Float64, "shadow_bid": pl.Float64, "result": pl.String, "cost": pl.Float64,
    "market_price": pl.Float64, **dict.fromkeys(KPI, pl.Float64),
}  # fmt: skip
_UNSENT = "unsent"  # bids of which nobody heard


def run(config: ShadowConfig) -> list[ShadowRow]:
    """Compare the policies campaign by campaign; print, draw, log and write what was found.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn: from the log.
        InvalidLog: it has no bids of a shadow.
    """
    console = Console()
    preference = config.preference or Campaign(budget=1.0).preference
    check_preference(preference)
    with waiting(console, f"comparing the bids of {config.log}"):
        rows = read_decision_rows(decision_files([config.log]), _READ, reads_plain(config.key_file)).cast(_READ)  # type: ignore[arg-type]
        rows = rows.filter(pl.col("result") != _UNSENT)
        names = _campaigns(rows, config)
        found = [compare(rows, name, preference, config.block) for name in names]
    figure = shadow_figure(found, QUANTILES)
    name = f"shadow {config.log.name}"
    with open_run(config.experiment, name, changed(config), kind="shadow", config=config) as tracked:
        for row in found:
            values = {"same_bids": row["same_bids"], "same_results": row["same_results"], "unclear": row["unclear"]}
            ends = {f"{d['measure']}_difference": d["difference"] for d in row["differences"]}
            told = {key: value for key, value in (values | ends).items() if value is not None}
            tracked.log_metrics({f"shadow/{row['campaign']}/{key}": value for key, value in told.items()}, 0)
        tracked.log_json(found, "shadow.json")
        tracked.log_figure(figure, "figures/shadow.png")
    print_shadow(found, QUANTILES, console)
    write_json(config.json_file, found)
    write_figure(config.figure, figure)
    return found


def _campaigns(rows: pl.DataFrame, config: ShadowConfig) -> list[str]:
    """The named campaign, or all that a shadow has bid for."""
    if config.campaign is not None:
        return [config.campaign]
    shadowed = sorted(set(rows.filter(pl.col("shadow_bid").is_not_null())["campaign"]))
    if not shadowed:
        raise InvalidLog(
            f"no row of {config.log} has a bid of a shadow. Serve with --shadow BUNDLE and --decisions DIR."
        )
    return shadowed
