"""The `import` command."""

from __future__ import annotations

from bidpilot.training.config import ImportConfig


def run(config: ImportConfig) -> None:
    """Import the files as a log and print how many rows came in, were kept, and were set aside."""
    # Polars loads only when this command runs.
    from bidpilot.envs.logs.importers import run_import

    summary = run_import(config.format, config.files, config.out, config.advertiser, config.name)
    print("\n".join(summary.lines()))
