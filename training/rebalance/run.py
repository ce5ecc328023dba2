"""`bidpilot rebalance`: tomorrow's budgets of a portfolio, from what was spent and brought."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from bidpilot.bidding.bundle import MANIFEST_FILE, load_bundle
from bidpilot.bidding.errors import CurrencyMismatch, InvalidConfig, NotServed
from bidpilot.solvers.portfolio import Portfolio
from bidpilot.training.cli.config import changed
from bidpilot.training.rebalance.apply import apply
from bidpilot.training.rebalance.brought import LOOK_BACK
from bidpilot.training.rebalance.config import RebalanceConfig
from bidpilot.training.rebalance.night import Outcome, solve_night
from bidpilot.training.rebalance.plan_file import Night, PlanFile, read_plan, write_plan
from bidpilot.training.rebalance.records import change_table, night_record
from bidpilot.training.rebalance.server import Served, Server, Spend, token_of
from bidpilot.training.report.plan_tables import dual_table
from bidpilot.training.report.progress import waiting
from bidpilot.training.solve.files import PortfolioFile, read_file, validated
from bidpilot.training.solve.records import write_json
from bidpilot.training.tracking import open_run

_SAME = 1e-6  # currency


def run(config: RebalanceConfig) -> None:
    """Solve, print, apply, log and keep.

    Raises:
        InvalidConfig: the file is of no portfolio, or the plan or the token cannot be read.
        NotServed, CurrencyMismatch: the server is not the one that spends for this portfolio.
        ServerUnavailable, ServerRefused, BudgetsNotApplied: as the server answers, or does not.
        InfeasiblePortfolio: no plan keeps the portfolio's constraints.
    """
    console = Console()
    portfolio = read_portfolio(config.portfolio)
    bundle = load_bundle(config.bundle)
    server = Server(config.admin, token_of(config.token_file), config.timeout)
    path = config.plan or config.portfolio.with_suffix(".plan.json")
    kept = read_plan(path)
    with waiting(console, "asking the server"):
        served, spends, kept = _ask(server, portfolio, config, kept)
    day, inputs = spends[0].today + timedelta(1), _digest(config, portfolio, kept)
    night = kept.night(day)
    if night is not None and not config.again and _stands(night, inputs, served):
        console.print(f"the budgets of {day} were applied already: nothing changes. --again solves anew.")
        return
    name = f"rebalance {config.portfolio.stem} {day}"
    with open_run(config.experiment, name, changed(config), kind="rebalance", config=config) as tracked:
        tracked.log_artifact(config.portfolio)
        with waiting(console, "planning the portfolio"):
            outcome = solve_night(
                bundle.forecast, portfolio, kept, served, spends, release=config.release, results=config.results
            )
        tracked.log_json(night_record(outcome, applied=False), "night.json")
        tracked.log_metrics(_metrics(outcome), 0)
        _print(outcome, console)
        if not config.dry_run:
            pending = apply(server, outcome.changes, day)
            write_plan(path, kept.with_night(Night(day=day, inputs=inputs, budgets=outcome.budgets, held=outcome.held)))
            tracked.log_json(night_record(outcome, applied=True), "night.json")
            _print_applied(outcome, pending, console)
    write_json(night_record(outcome, applied=not config.dry_run), config.json_file, console)


def read_portfolio(path: Path) -> Portfolio:
    """The portfolio of a file.

    Raises:
        InvalidConfig, InvalidPortfolio: its faults, with its name.
    """
    file, _ = read_file(path)
    if not isinstance(file, PortfolioFile):
        raise InvalidConfig(f"{path} is of one campaign. Give the file of a portfolio, with campaigns.")
    return validated(Portfolio, file.terms(), path)


def _ask(
    server: Server, portfolio: Portfolio, config: RebalanceConfig, kept: PlanFile | None
) -> tuple[dict[str, Served], list[Spend], PlanFile]:
    """What the server has of the portfolio's campaigns, and the plan, begun where there was none."""
    served = server.campaigns()
    missing = [name for name in portfolio.names if name not in served]
    if missing:
        raise NotServed(
            f"{', '.join(missing)} of {config.portfolio} {'is' if len(missing) == 1 else 'are'} not served by "
            f"{server.address}, which has {', '.join(served) or 'no campaigns'}. Use the same names in both."
        )
    today = server.spend(portfolio.names[0]).today
    if kept is None or config.start is not None:
        nights = () if kept is None else kept.nights
        kept = PlanFile(start=config.start or today + timedelta(1), nights=nights)
    first = min(kept.horizon(today + timedelta(1), portfolio.days).first, today - timedelta(LOOK_BACK))
    spends = [server.spend(name, first) for name in portfolio.names]
    other = [spend.currency for spend in spends if spend.currency != config.currency]
    if other:
        raise CurrencyMismatch(
            f"{config.portfolio} is in {config.currency}, and {server.address} counts in {other[0]}. Give amounts in "
            f"that and --currency {other[0]}."
        )
    if any(spend.today != today for spend in spends):  # midnight has passed meanwhile
        return _ask(server, portfolio, config, kept)
    return {name: served[name] for name in portfolio.names}, spends, kept


def _digest(config: RebalanceConfig, portfolio: Portfolio, kept: PlanFile) -> str:
    """Of all that a night is solved from, but for what was spent and brought."""
    parts = (
        portfolio.model_dump_json(),
        (config.bundle / MANIFEST_FILE).read_text(encoding="utf-8"),
        f"{kept.start} {config.release} {config.results}",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stands(night: Night, inputs: str, served: Mapping[str, Served]) -> bool:
    """Whether a night was solved from the same and the server still has what it applied."""
    return night.inputs == inputs and all(
        abs(served[name].budget_on(night.day) - budget) <= _SAME for name, budget in night.budgets.items()
    )


def _metrics(outcome: Outcome) -> dict[str, float]:
    metrics = {f"budget/{change.name}": change.tomorrow for change in outcome.changes}
    spent = {f"spent/{c.name}": float(row.sum()) for c, row in zip(outcome.changes, outcome.spent.money, strict=True)}
    ratios = {f"results/{c.name}": ratio.weight for c, ratio in zip(outcome.changes, outcome.ratios, strict=True)}
    return metrics | spent | ratios | {"reserve": outcome.held, "lambda": outcome.plan.shadow_price}


def _print(outcome: Outcome, console: Console) -> None:
    console.print(change_table(outcome))
    console.print(dual_table(outcome.plan.duals))
    if outcome.plan.nothing is not None:
        console.print(f"{outcome.plan.nothing}.", soft_wrap=True)


def _print_applied(outcome: Outcome, pending: Sequence[str], console: Console) -> None:
    count = sum(change.needed for change in outcome.changes)
    if count == 0:
        console.print(f"nothing to apply: the server has these budgets of {outcome.day}", soft_wrap=True)
        return
    console.print(f"applied to {count} of {len(outcome.changes)} campaigns from {outcome.day} on", soft_wrap=True)
    if pending:
        console.print(
            f"in force and not durable yet: {', '.join(pending)}. The server tries until it is; run it again to see.",
            soft_wrap=True,
        )
