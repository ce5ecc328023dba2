"""`bidpilot report`: what the money bought, as one HTML file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bidpilot.bidding.errors import RunNotFound
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.training.cli.config import changed
from bidpilot.training.report.progress import Step, steps
from bidpilot.training.reporting.charts.interactive import library
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.errors import NothingToReport
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.page import page
from bidpilot.training.reporting.sections.catalogue import sections
from bidpilot.training.tracking import RunInfo, open_run, resolve_run, written_to

FOLDER = "report"
"""Of a run's artifacts."""
_DECISIONS = ("decisions-*.parquet", "*/decisions-*.parquet")
_STEPS = 5


def run(config: ReportConfig) -> Path:
    """Read, play, write the report and keep it with a run: the one it is of, or one of its own.

    Raises:
        NothingToReport: the source is nothing that can be reported.
        PlotlyMissing, ReportTooLarge: from the page.
        AmbiguousRun, RunNotFound, InvalidLog, NoFilesMatched and what the readers raise: from the source.
    """
    console = Console()
    if config.interactive:
        library()  # before any work
    found = source_of(config.source)
    with steps(console, _STEPS) as step:
        evidence = _read(config, found, step)
        step("drawing")
        told = sections(evidence)
        text = page(evidence, told, datetime.now(UTC), config.interactive)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_text(text, encoding="utf-8")
    kept = _keep(config, found, evidence)
    missing = [section.title for section in told if section.missing is not None]
    console.print(
        f"{config.out}: {len(told) - len(missing)} sections, {len(text.encode()) / 1e6:.2f} MB", soft_wrap=True
    )
    if missing:
        console.print(f"missing, and told there why: {', '.join(missing)}", soft_wrap=True)
    console.print(f"kept as artifact {FOLDER}/{config.out.name} of run {kept}", soft_wrap=True)
    return config.out


def source_of(source: str) -> RunInfo | str:
    """What a report is of: a run, or `log` or `decisions` for a folder of these.

    Raises:
        NothingToReport: a folder of something else, or neither a folder nor a run.
        AmbiguousRun: several runs may be meant.
    """
    from bidpilot.training.reporting.readers.of_run import KINDS

    folder = Path(source)
    if (folder / MANIFEST_FILE).is_file():
        return "log"
    if folder.is_dir() and any(found for pattern in _DECISIONS for found in folder.glob(pattern)):
        return "decisions"
    if folder.exists():
        raise NothingToReport(
            f"{source} holds neither an imported log ({MANIFEST_FILE}) nor decisions of a bid server "
            "(decisions-*.parquet). Name such a folder, or a run."
        )
    try:
        return resolve_run(source, KINDS)
    except RunNotFound as error:
        raise NothingToReport(f"{source} is no folder, and no run of {', '.join(KINDS)}: {error}") from error


def _read(config: ReportConfig, found: RunInfo | str, step: Step) -> Evidence:
    # what plays and what reads tables loads only where it is needed
    if found == "log":
        from bidpilot.training.reporting.readers import of_log

        return of_log.read(config, step)
    if found == "decisions":
        from bidpilot.training.reporting.readers import of_decisions

        return of_decisions.read(config, step)
    from bidpilot.training.reporting.readers import of_run

    assert isinstance(found, RunInfo)
    return of_run.read(found, config, step)


def _keep(config: ReportConfig, found: RunInfo | str, evidence: Evidence) -> str:
    """Keep the report with the run it is of, or with one of its own; that run's id."""
    if isinstance(found, RunInfo):
        tracked = written_to(found.run_id)
        tracked.log_artifact(config.out, FOLDER)
        tracked.set_tags({"report": f"{FOLDER}/{config.out.name}"})
        return tracked.run_id
    name, tags = f"report {Path(config.source).resolve().name}", {"source": config.source, "title": evidence.title}
    with open_run(config.experiment, name, changed(config), tags, kind="report", config=config) as tracked:
        tracked.log_artifact(config.out, FOLDER)
        tracked.set_tags({"report": f"{FOLDER}/{config.out.name}"})
    return tracked.run_id
