"""The `import` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bidpilot.training.config import ImportConfig

if TYPE_CHECKING:
    from bidpilot.envs.logs.importers import ImportSummary


def run(config: ImportConfig) -> None:
    """Import the files as a log and print how many rows came in, were kept, and were set aside."""
    # Polars loads only when this command runs.
    from bidpilot.envs.logs.importers import run_import

    summary = run_import(config.format, config.files, config.out, config.advertiser, config.name)
    print(describe(summary))


def describe(summary: ImportSummary) -> str:
    """Account for every row: rows in = rows kept + rows set aside (+ rows of other advertisers)."""
    set_aside = sum(summary.set_aside.values())
    other = f" + {summary.rows_other:,} of other advertisers" if summary.rows_other else ""
    lines = [
        f"log {summary.name}: {summary.days} days in {summary.folder}",
        f"rows in {summary.rows_in:,} = kept {summary.rows_kept:,} + set aside {set_aside:,}{other}",
        *(f"  {count:>9,}  {reason}" for reason, count in summary.set_aside.items()),
    ]
    return "\n".join(lines)
