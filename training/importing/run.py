"""The `import` command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.jobs.config import JobOptions
from bidpilot.training.report.progress import waiting

if TYPE_CHECKING:
    from bidpilot.envs.logs.outcomes import Plain

_NO_OPTION = (
    *("format", "files", "out", "name", "force", "incidents", "keep_incident_slots", "key_file"),
    *("parts", *JobOptions.model_fields),
)


def run(config: ImportConfig) -> None:
    """Import the files as a log and print how many rows came in, were kept, and were set aside.

    Raises:
        InvalidConfig: incidents of files that are no bid server's.
        UnreadableFile: a file of an incident is none; and what an import raises.
    """
    # Polars loads only when this command runs.
    from bidpilot.envs.logs.formats import ImportOptions
    from bidpilot.envs.logs.importers import DECISIONS, run_import
    from bidpilot.training.importing.incidents import beside, read_incidents

    values = {name: getattr(config, name) for name in type(config).model_fields if name not in _NO_OPTION}
    options = ImportOptions(**values)
    if config.incidents is not None and config.format != DECISIONS:
        raise InvalidConfig(f"--incidents are of a bid server's decisions, not of {config.format}. Leave them out.")
    if config.parts:
        from bidpilot.training.importing.parts import import_parts

        import_parts(config, options, Console())
        return
    if not config.spread().here:
        raise InvalidConfig("one log in one piece is one job: give --parts too, or leave --workers and --backend out.")
    incidents = []
    if config.format == DECISIONS and not config.keep_incident_slots:
        folders = beside(config.files) if config.incidents is None else [config.incidents]
        incidents = [one for folder in folders for one in read_incidents(folder)]
    with waiting(Console(), f"importing {config.format}"):
        summary = run_import(
            config.format,
            config.files,
            config.out,
            name=config.name,
            options=options,
            force=config.force,
            incidents=incidents,
            plain=reads_plain(config.key_file),
        )
    print("\n".join(summary.lines()))


def reads_plain(key_file: Path | None) -> Plain:
    """Reads files, decrypted where there is a key."""
    from bidpilot.envs.logs.outcomes import as_it_is

    if key_file is None:
        return as_it_is
    # what encrypts is of the server's room
    from bidpilot.serving.privacy.keys import read_key
    from bidpilot.serving.privacy.seal import read_plain

    key = read_key(key_file)
    return lambda path: read_plain(path, key)
