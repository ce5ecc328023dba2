"""`bidpilot pareto`: the front of a campaign."""

from __future__ import annotations

from functools import partial

from rich.console import Console

from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.allocation import allocate
from bidpilot.solvers.pareto import pareto_front
from bidpilot.training.cli.config import changed
from bidpilot.training.report.pareto_front import pareto_panels
from bidpilot.training.report.plan_tables import pareto_table
from bidpilot.training.report.progress import steps, waiting
from bidpilot.training.solve.config import ParetoConfig
from bidpilot.training.solve.files import PortfolioFile, read_file
from bidpilot.training.solve.forecast import campaign_ground
from bidpilot.training.solve.records import pareto_record, write_json
from bidpilot.training.solve.run import head, report_conflict
from bidpilot.training.tracking import open_run


def run(config: ParetoConfig) -> None:
    """Trace, print, log and write the front, with the campaign's own plan beside it.

    Raises:
        InfeasibleCampaign: after its explanation is printed, logged and written.
        InvalidConfig, InvalidCampaign, UnknownProfile: the file's faults, with its name.
        ZeroIdealPoint: the preference weighs a KPI that the forecast has none of.
    """
    console = Console()
    file, profile = read_file(config.file, config.profile)
    if isinstance(file, PortfolioFile):
        raise InvalidConfig(
            f"{config.file} is a portfolio, and a front is of one campaign: give a file with `campaign:`"
        )
    with waiting(console, "making the forecast"):
        file, on = campaign_ground(config, file, profile)
    params = changed(config) | {f"campaign.{k}": v for k, v in changed(file.campaign).items()}
    name = f"pareto {config.file.stem}"
    with open_run(config.experiment, name, params, {"ground": on.name}, kind="pareto", config=config) as tracked:
        tracked.log_artifact(config.file)
        try:
            with steps(console, 1 + config.points) as step:
                step("planning the campaign")
                own = allocate(on.forecast, file.campaign)
                begun = partial(step, "tracing the front")
                front = pareto_front(on.forecast, file.campaign, config.points, begun)
        except InfeasibleCampaign as error:
            report_conflict(error, config, console, tracked)
            raise
        own_share = [x / z if z > 0 else 0.0 for x, z in zip(own.kpi, own.ideal, strict=True)]
        record = head(config, file, on) | pareto_record(front)
        record["own"] = dict(zip(KPI, map(float, own_share), strict=True))
        tracked.log_json(record, "front.json")
        metrics = {"hypervolume": front.hypervolume, "knee_height": front.knee_height}
        tracked.log_metrics({**metrics, "points": len(front.points)}, 0)
        if len(front.active) > 1:
            tracked.log_figure(
                pareto_panels(front, own_share, f"Pareto front of {file.campaign.budget:g} on {on.name}"),
                "figures/front.png",
            )
    if on.note is not None:
        console.print(on.note)
    console.print(pareto_table(front, f"Front of {file.campaign.budget:g} on {on.name}"))
    console.print(
        f"hypervolume {front.hypervolume:.4f} of the ideal point, measured from {front.reference_point}; the knee lies "
        f"{front.knee_height:.4f} ideal points above the plane through the ends"
    )
    if front.nothing is not None:
        console.print(f"{front.nothing}.", soft_wrap=True)
    write_json(record, config.json_file, console)
