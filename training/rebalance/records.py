"""What a night says: a table for the terminal, and a record as JSON."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from bidpilot.training.rebalance.night import Outcome
from bidpilot.training.solve.records import dual_records


def change_table(outcome: Outcome) -> Table:
    """Each campaign's budget today and tomorrow, and why."""
    title = f"Budgets of {outcome.day}, day {outcome.horizon.over + 1} of {outcome.horizon.days}"
    table = Table(title=title, title_justify="left")
    table.add_column("campaign")
    for name in ("spent so far", "today", "tomorrow", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for change, row in zip(outcome.changes, outcome.spent.money, strict=True):
        table.add_row(
            change.name,
            f"{row.sum():.2f}",
            f"{change.today:.2f}",
            f"{change.tomorrow:.2f}",
            f"{change.tomorrow - change.today:+.2f}",
            "; ".join(change.why) or "as the days left are planned",
            end_section=change is outcome.changes[-1],
        )
    total = sum(change.today for change in outcome.changes), sum(change.tomorrow for change in outcome.changes)
    amounts = (f"{float(outcome.spent.money.sum()):.2f}", f"{total[0]:.2f}", f"{total[1]:.2f}")
    table.add_row("all", *amounts, f"{total[1] - total[0]:+.2f}", reserve_text(outcome))
    return table


def reserve_text(outcome: Outcome) -> str:
    """What becomes of the reserve."""
    if outcome.held_before is None:
        return f"reserve: {outcome.held:.2f} held after {outcome.day}"
    released = outcome.held_before - outcome.held
    return f"reserve: {outcome.held:.2f} held after {outcome.day}, {released:.2f} released"


def night_record(outcome: Outcome, applied: bool) -> dict[str, Any]:
    """All that a night has found, amounts in currency."""
    return {
        "kind": "rebalance",
        "day": outcome.day.isoformat(),
        "horizon": {
            "first": outcome.horizon.first.isoformat(),
            "last": outcome.horizon.last.isoformat(),
            "over": outcome.horizon.over,
        },
        "applied": applied,
        "channels": list(outcome.plan.channels),
        "campaigns": {
            change.name: {
                "today": change.today,
                "before": change.before,
                "tomorrow": change.tomorrow,
                "why": list(change.why),
                "spent": row.tolist(),
                "to_come": float(to_come),
                "results": ratio._asdict(),
            }
            for change, row, to_come, ratio in zip(
                outcome.changes, outcome.spent.money, outcome.spent.to_come, outcome.ratios, strict=True
            )
        },
        "spend": outcome.plan.spend.tolist(),
        "reserve": outcome.plan.reserve.tolist(),
        "lambda": outcome.plan.shadow_price,
        "duals": dual_records(outcome.plan.duals),
        "nothing": outcome.plan.nothing,
    }
