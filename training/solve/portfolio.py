"""`bidpilot solve` for a portfolio's file."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bidpilot.bidding.campaign.profile import KpiProfile
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.config import changed
from bidpilot.training.report.plan_figures import dual_bars, nothing_bought
from bidpilot.training.report.plan_tables import budget_table, dual_table
from bidpilot.training.report.progress import waiting
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import PortfolioFile, validated
from bidpilot.training.solve.forecast import Ground, ground
from bidpilot.training.solve.records import dual_records, write_json
from bidpilot.training.tracking import open_run


def run_portfolio(config: SolveConfig, file: PortfolioFile, profile: KpiProfile | None, console: Console) -> None:
    """Solve, print, log and write a portfolio's plan.

    Raises:
        InvalidConfig, InvalidPortfolio: the file's faults, with its name, or terms that were typed.
        InfeasiblePortfolio: no plan keeps its constraints.
    """
    # Its programs load only where a portfolio is solved.
    from bidpilot.solvers.portfolio import Portfolio, solve_portfolio

    if config.terms():
        raise InvalidConfig(
            f"{config.file} is a portfolio, whose campaigns each have terms of their own; got "
            f"{', '.join(config.terms())}. Write them in the file."
        )
    portfolio = validated(Portfolio, file.terms(), config.file)
    with waiting(console, "making the forecast"):
        on = ground(config, file, profile)
    params = changed(config) | {"portfolio.budget": portfolio.budget, "portfolio.days": portfolio.days}
    name, tags = f"solve {config.file.stem}", {"ground": on.name}
    with open_run(config.experiment, name, params, tags, kind="solve", config=config) as tracked:
        tracked.log_artifact(config.file)
        with waiting(console, "planning the portfolio"):
            plan = solve_portfolio(on.forecast, portfolio)
        record: dict[str, Any] = _head(config, file, on) | {
            "portfolio": portfolio.model_dump(mode="json"),
            "campaigns": list(plan.campaigns),
            "channels": list(plan.channels),
            "spend": plan.spend.tolist(),
            "reserve": plan.reserve.tolist(),
            "alpha": dict(zip(plan.campaigns, plan.rule.alpha.tolist(), strict=True)),
            "m": dict(zip(plan.campaigns, plan.rule.multiplier.tolist(), strict=True)),
            "beta": dict(zip(plan.campaigns, plan.rule.beta.tolist(), strict=True)),
            "segments": list(plan.segments),
            "kpi": dict(zip(plan.campaigns, plan.kpi.tolist(), strict=True)),
            "ideal": plan.ideal.tolist(),
            "utility": plan.utility,
            "mean": plan.mean,
            "cvar": plan.cvar,
            "lambda": plan.shadow_price,
            "duals": dual_records(plan.duals),
            "gap": plan.gap,
            "solver": plan.solver,
            "fallback": plan.fallback,
            "nothing": plan.nothing,
            "seconds": plan.seconds,
        }
        tracked.log_json(record, "plan.json")
        metrics = {"utility": plan.utility, "mean": plan.mean, "spend": float(plan.spend.sum())}
        tracked.log_metrics({**metrics, "lambda": plan.shadow_price, "gap": plan.gap, "seconds": plan.seconds}, 0)
        priced = dual_bars(plan.duals, plan.utility) if plan.nothing is None else nothing_bought(plan.nothing)
        tracked.log_figure(priced, "figures/duals.png")
    if on.note is not None:
        console.print(on.note)
    console.print(budget_table(plan.campaigns, plan.channels, plan.spend, plan.reserve))
    console.print(dual_table(plan.duals))
    risk = "" if plan.cvar is None else f", CVaR {plan.cvar:.4f}"
    console.print(
        f"utility {plan.utility:.4f} (mean {plan.mean:.4f}{risk}), lambda {plan.shadow_price:.4g} per unit of budget, "
        f"gap {plan.gap:.1e}, {plan.solver} in {plan.seconds:.2f} s"
    )
    if plan.nothing is not None:
        console.print(f"{plan.nothing}.", soft_wrap=True)
    write_json(record, config.json_file, console)


def _head(config: SolveConfig, file: PortfolioFile, on: Ground) -> dict[str, Any]:
    return {
        "kind": "portfolio",
        "file": str(config.file),
        "ground": on.name,
        "profile": file.profile,
        "note": on.note,
    }
