"""`bidpilot solve`: the plan of a campaign or of a portfolio."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.allocation import Allocation, allocate
from bidpilot.training.cli.config import changed
from bidpilot.training.report.plan_figures import dual_bars, nothing_bought, spend_by_slot
from bidpilot.training.report.plan_tables import conflict_table, dual_table, plan_table, rule_table
from bidpilot.training.report.progress import waiting
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import CampaignFile, PortfolioFile, read_file
from bidpilot.training.solve.forecast import Ground, campaign_ground
from bidpilot.training.solve.portfolio import run_portfolio
from bidpilot.training.solve.records import conflict_record, plan_record, write_json
from bidpilot.training.tracking import Run, open_run


def run(config: SolveConfig) -> None:
    """Solve, print, log and write the plan.

    Raises:
        InfeasibleCampaign: after its explanation is printed, logged and written.
        InvalidConfig, InvalidCampaign, UnknownProfile: the file's faults, with its name.
        ZeroIdealPoint: the preference weighs a KPI that the forecast has none of.
    """
    console = Console()
    file, profile = read_file(config.file, config.profile)
    if isinstance(file, PortfolioFile):
        run_portfolio(config, file, profile, console)
        return
    with waiting(console, "making the forecast"):
        file, on = campaign_ground(config, file, profile)
    params = changed(config) | {f"campaign.{k}": v for k, v in changed(file.campaign).items()}
    name, tags = f"solve {config.file.stem}", {"ground": on.name}
    with open_run(config.experiment, name, params, tags, kind="solve", config=config) as tracked:
        tracked.log_artifact(config.file)
        try:
            with waiting(console, "planning the campaign"):
                plan = allocate(on.forecast, file.campaign)
        except InfeasibleCampaign as error:
            report_conflict(error, config, console, tracked)
            raise
        record = head(config, file, on) | plan_record(plan)
        tracked.log_json(record, "plan.json")
        tracked.log_metrics(_metrics(plan), 0)
        tracked.log_figure(spend_by_slot(plan.spend, plan.segments), "figures/spend.png")
        priced = dual_bars(plan.duals, plan.utility) if plan.nothing is None else nothing_bought(plan.nothing)
        tracked.log_figure(priced, "figures/duals.png")
    _print(plan, file, on, console)
    write_json(record, config.json_file, console)


def head(config: SolveConfig, file: CampaignFile, on: Ground) -> dict[str, Any]:
    """What a record begins with."""
    return {
        "kind": "campaign",
        "file": str(config.file),
        "ground": on.name,
        "profile": file.profile,
        "note": on.note,
        "campaign": file.campaign.model_dump(mode="json"),
    }


def report_conflict(error: InfeasibleCampaign, config: SolveConfig, console: Console, tracked: Run) -> None:
    """Print, log and write why a campaign is infeasible; the error itself goes on to end the command."""
    record = conflict_record(error)
    tracked.log_json(record, "infeasible.json")
    if error.conflicts:
        console.print(conflict_table(error.conflicts))
    write_json(record, config.json_file, console)


def _metrics(plan: Allocation) -> dict[str, float]:
    metrics = {
        "utility": plan.utility,
        "spend": float(plan.spend.sum()),
        "lambda": plan.shadow_price,
        "gap": plan.gap,
        "seconds": plan.seconds,
    }
    return metrics | {f"kpi/{name}": float(x) for name, x in zip(KPI, plan.kpi, strict=True)}


def _print(plan: Allocation, file: CampaignFile, on: Ground, console: Console) -> None:
    if on.note is not None:
        console.print(on.note)
    console.print(plan_table(plan, f"Plan of {file.campaign.budget:g} on {on.name}"))
    console.print(rule_table(plan))
    console.print(dual_table(plan.duals))
    utility = f"utility {plan.utility:.4f} ({file.campaign.scalarisation}), lambda {plan.shadow_price:.4g} per unit"
    console.print(f"{utility} of budget, gap {plan.gap:.1e}, {plan.solver} in {plan.seconds:.2f} s")
    if plan.nothing is not None:
        console.print(f"{plan.nothing}.", soft_wrap=True)
    if plan.fallback is not None:
        console.print(f"solved by the fallback: {plan.fallback}")
