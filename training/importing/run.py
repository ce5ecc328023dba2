"""The `import` command."""

from __future__ import annotations

from rich.console import Console

from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.report.progress import waiting

_NO_OPTION = ("format", "files", "out", "name", "force")


def run(config: ImportConfig) -> None:
    """Import the files as a log and print how many rows came in, were kept, and were set aside."""
    # Polars loads only when this command runs.
    from bidpilot.envs.logs.formats import ImportOptions
    from bidpilot.envs.logs.importers import run_import

    values = {name: getattr(config, name) for name in type(config).model_fields if name not in _NO_OPTION}
    options = ImportOptions(**values)
    with waiting(Console(), f"importing {config.format}"):
        summary = run_import(
            config.format, config.files, config.out, name=config.name, options=options, force=config.force
        )
    print("\n".join(summary.lines()))
