"""The `import` command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.report.progress import waiting

if TYPE_CHECKING:
    from bidpilot.envs.logs.decisions import Plain

_NO_OPTION = ("format", "files", "out", "name", "force", "key_file")


def run(config: ImportConfig) -> None:
    """Import the files as a log and print how many rows came in, were kept, and were set aside."""
    # Polars loads only when this command runs.
    from bidpilot.envs.logs.formats import ImportOptions
    from bidpilot.envs.logs.importers import run_import

    values = {name: getattr(config, name) for name in type(config).model_fields if name not in _NO_OPTION}
    options = ImportOptions(**values)
    with waiting(Console(), f"importing {config.format}"):
        summary = run_import(
            config.format,
            config.files,
            config.out,
            name=config.name,
            options=options,
            force=config.force,
            plain=_plain(config.key_file),
        )
    print("\n".join(summary.lines()))


def _plain(key_file: Path | None) -> Plain:
    """Reads files, decrypted where there is a key."""
    from bidpilot.envs.logs.decisions import as_it_is

    if key_file is None:
        return as_it_is
    # what encrypts is of the server's room
    from bidpilot.serving.privacy.keys import read_key
    from bidpilot.serving.privacy.seal import read_plain

    key = read_key(key_file)
    return lambda path: read_plain(path, key)
