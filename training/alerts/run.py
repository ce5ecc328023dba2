"""The `alerts` command: what a live campaign would be told of on held-out days, each case against its bar.

Bands are learnt from training days, which `mpc` plays behind the detector; it plays the held-out days alike.
"""

from __future__ import annotations

from rich.console import Console

from bidpilot.training.alerts.cases import CASES, Ground, all_rows
from bidpilot.training.alerts.config import AlertsConfig
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.suites import named_suites
from bidpilot.training.report.alerts import AlertRow, alerts_figure, alerts_table
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import open_run


def run(config: AlertsConfig) -> list[AlertRow]:
    """Play every case; print, draw, log and write a row for each.

    Raises:
        UnknownSuite: no such suite.
    """
    suites = [record.name for record in named_suites(config.suites, ())] if config.suites else []
    console, ground = Console(), Ground(config.days, config.training_days, config.seed)
    with open_run(config.experiment, "alerts", changed(config), kind="alerts", config=config) as tracked:
        with steps(console, len(CASES) + len(suites)) as step:
            rows = all_rows(ground, suites, step)
        tracked.log_metrics({f"{_metric(row['case'])}/alarm_days": row["alarm_days"] for row in rows}, 0)
        tracked.log_metrics({f"{_metric(r['case'])}/found": r["found"] for r in rows if r["found"] is not None}, 0)
        tracked.log_json(rows, "alerts.json")
        figure = alerts_figure(rows)
        tracked.log_figure(figure, "figures/alerts.png")
    title = f"Alarms of a live campaign, {config.days} held-out days a case, seed {config.seed}"
    print_table(alerts_table(rows, title), console)
    write_json(config.json_file, rows)
    write_figure(config.figure, figure)
    return rows


def _metric(name: str) -> str:
    return name.replace(" %", "").replace("%", "").replace(" -", "_").replace(" ", "_")
