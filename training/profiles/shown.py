"""Tables and the figure of KPI profiles: what counts how much, what is proposed and what that would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.bidding.campaign.profile import FunnelWeights, KpiProfile
from bidpilot.bidding.kpi import KPI
from bidpilot.training.profiles.effects import Effect
from bidpilot.training.profiles.propose import Proposal, WeightChange
from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, small_multiples
from bidpilot.training.report.tables import print_table

_PRESENT, _PROPOSED = "#777777", "#0072b2"


def print_profiles(profiles: Mapping[str, KpiProfile], console: Console) -> None:
    """One line per profile: the preference, and the interactions that one event counts for."""
    table = _table("KPI profiles", "profile", *KPI, *FunnelWeights.model_fields)
    for name, profile in profiles.items():
        weights = (getattr(profile.weights, event) for event in FunnelWeights.model_fields)
        table.add_row(name, *(f"{w:g}" for w in profile.preference), *(f"{w:g}" for w in weights))
    table.caption = "weights of the KPIs, which sum to 1; interactions that one event counts for"
    print_table(table, console)


def print_proposal(proposal: Proposal, effects: Sequence[Effect], console: Console) -> None:
    """The weights with their intervals, what they would change, and what they are made from."""
    title = f"Weights for {proposal.platform}, {proposal.days} days from {proposal.first} to {proposal.last}"
    table = _table(title, "weight of", "present", "by orders", "interval", "proposed")
    for change in (*proposal.preference, *proposal.weights):
        table.add_row(*_change_cells(change), end_section=change is proposal.preference[-1])
    print_table(table, console)
    told = _table("What would change of a day's plan", "", "", "present", "proposed", "change")
    for effect in effects:
        relative = "-" if effect.change is None else f"{effect.change:+.1%}"
        told.add_row(effect.what, effect.unit, f"{effect.present:.4g}", f"{effect.proposed:.4g}", relative)
    print_table(told, console)
    worth = ", ".join(f"{name} {found.value:.4g}" for name, found in zip(KPI, proposal.worth, strict=True))
    console.print(f"one of each KPI goes with this much order value: {worth}", soft_wrap=True)
    console.print(
        f"made from {proposal.orders:,.0f} conversions worth {proposal.value:,.2f}: {proposal.valued}", soft_wrap=True
    )
    for note in proposal.notes:
        console.print(f"note: {note}", soft_wrap=True)
    moved = [change.name for change in (*proposal.preference, *proposal.weights) if change.moved]
    said = f"proposed to change: {', '.join(moved)}" if moved else "nothing is proposed to change"
    console.print(f"{said}; a weight moves to the nearer end of its interval, and no further", soft_wrap=True)


def weights_figure(proposal: Proposal) -> Figure:
    """Each weight as it is, as orders have it with its interval, and as it is proposed."""
    panels = {"preference": proposal.preference, "interactions per event": proposal.weights}
    drawn = {name: changes for name, changes in panels.items() if changes}
    figure, axes = small_multiples(list(drawn), 5.0, 3.2)
    for name, changes in drawn.items():
        panel, place = axes[name], np.arange(len(changes))
        panel.bar(place - 0.2, [c.present for c in changes], 0.38, color=_PRESENT, label="present")
        panel.bar(place + 0.2, [c.proposed for c in changes], 0.38, color=_PROPOSED, label="proposed")
        known = [(k, c.measured) for k, c in enumerate(changes) if c.measured.known]
        for k, found in known:
            panel.plot([k, k], [found.low or 0.0, found.high or 0.0], color=INK, linewidth=2)
        points = panel.plot([k for k, _ in known], [f.value or 0.0 for _, f in known], "o", color=INK, markersize=4)
        points[0].set_label("by orders, with its interval")
        panel.set_xticks(place, [c.name for c in changes])
    handles, labels = next(iter(axes.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(f"Weights for {proposal.platform}", color=INK, x=0.01, ha="left")
    return figure


def _change_cells(change: WeightChange) -> tuple[str, ...]:
    found = change.measured
    value = "-" if found.value is None else f"{found.value:.3f}"
    interval = ends(found.low, found.high, ".3f")
    return change.name, f"{change.present:.3f}", value, interval, f"{change.proposed:.3f}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    return table
