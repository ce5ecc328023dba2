"""The risk register for readers: the printed table and matrix, the file, and the figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.bidding.watch.heat import RISKS
from bidpilot.bidding.watch.register import IMPACTS, LIKELIHOODS, RANKS, RiskEntry, rank
from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, new_figure
from bidpilot.training.report.tables import print_table

_MAP = "viridis"  # readable in grey, and by colour-blind readers
_RANK_COLOURS = ("#e8f1f7", "#b9d3e6", "#f0b27a", "#d55e00")


@dataclass(frozen=True)
class Register:
    """All entries, and where they hit."""

    entries: tuple[RiskEntry, ...]
    matrix: NDArray[np.int64]  # (5, 5) entries, likelihood by impact
    channels: tuple[str, ...]
    lost: NDArray[np.float64]  # (R, C, H) share of a day's R that is expected to be lost, by suites
    noticed: NDArray[np.int64] | None  # (R, C, H) incidents; None without a history
    budget: float  # currency, of the campaign that costs were measured with

    def as_json(self) -> dict[str, Any]:
        """What the file holds; heat maps are risk by channel by hour."""
        return {
            "entries": [
                entry.model_dump(mode="json") | {"rank": entry.rank, "expected": entry.expected}
                for entry in self.entries
            ],
            "matrix": {"likelihood": LIKELIHOODS, "impact": IMPACTS, "entries": self.matrix.tolist()},
            "heat": {
                "risks": [risk.value for risk in RISKS],
                "channels": self.channels,
                "lost": self.lost.round(9).tolist(),
                "noticed": None if self.noticed is None else self.noticed.tolist(),
            },
            "campaign": {"budget": self.budget},
        }


def print_register(found: Register, console: Console) -> None:
    """Print the entries, the dearest a day first, and the matrix."""
    print_table(_entries(found), console)
    print_table(_matrix(found), console)
    unmeasured = [entry.risk.value for entry in found.entries if entry.money_lost is None]
    if unmeasured:
        console.print(
            f"no cost is measured of {', '.join(dict.fromkeys(unmeasured))}: no market has them. They are not in the "
            "matrix.",
            soft_wrap=True,
            highlight=False,
        )


def _entries(found: Register) -> Table:
    table = Table(title="The risk register, by what a day is expected to lose", title_justify="left", box=SIMPLE)
    for name in ("risk", "effect", "by"):
        table.add_column(name)
    for name in ("a day", "interval", "R/R* lost", "95 % interval", "R lost", "unspent", "a day loses", "rank"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in sorted(found.entries, key=lambda e: -(-1.0 if e.expected is None else e.expected)):
        measured = entry.ratio_lost is not None
        table.add_row(
            entry.risk.value,
            entry.effect,
            entry.source,
            f"{entry.likelihood:.3f}",
            ends(entry.likelihood_low, entry.likelihood_high, ".3f"),
            f"{entry.ratio_lost:+.4f}" if measured else "-",
            ends(entry.ratio_low, entry.ratio_high, "+.4f") if measured else "",
            f"{entry.value_lost:+.1%}" if measured else "-",
            f"{entry.unspent:+.1%}" if measured else "-",
            "-" if entry.expected is None else f"{found.budget * entry.expected:.4g}",
            entry.rank or "-",
        )
    table.caption = (
        "a day: probability; interval: least and greatest of the suites, or 95 % by days watched. R/R* lost: by "
        "deciding under it; R lost: with what the market takes as well; unspent: of the budget; a day loses: "
        f"probability times the dearer of both, of a budget of {found.budget:g}"
    )
    return table


def _matrix(found: Register) -> Table:
    table = Table(title="Likelihood by impact, entries", title_justify="left", box=SIMPLE)
    table.add_column("")
    for name in IMPACTS:
        table.add_column(name, justify="right")
    for k in reversed(range(len(LIKELIHOODS))):
        row = [f"{count} {rank(k, j)}" if count else "" for j, count in enumerate(found.matrix[k])]
        table.add_row(LIKELIHOODS[k], *row)
    return table


def risk_figure(found: Register) -> Figure:
    """The matrix, and one heat map a channel: what is expected to be lost, or where there is a history, incidents."""
    heats: NDArray[Any] = found.lost if found.noticed is None else found.noticed
    shown = [k for k in range(len(RISKS)) if found.lost[k].any() or (found.noticed is not None and heats[k].any())]
    scale, unit = (1e4, "share of R lost a day, 1/10 000") if found.noticed is None else (1.0, "incidents")
    figure = new_figure(4.6 + 3.0 * len(found.channels), 1.6 + 0.42 * max(len(shown), 5))
    grid = figure.subplots(1, 1 + len(found.channels), width_ratios=[1.3, *(1.0 for _ in found.channels)])
    _draw_matrix(grid[0], found)
    most = max(float(np.abs(heats[shown]).max()) * scale, 1e-9) if shown else 1.0
    image = None
    for panel, (c, channel) in zip(grid[1:], enumerate(found.channels), strict=True):
        values = np.maximum(heats[shown, c] * scale, 0.0) if shown else np.zeros((1, heats.shape[2]))
        image = panel.imshow(values, aspect="auto", cmap=_MAP, vmin=0.0, vmax=most, extent=(0, 24, len(values), 0))
        panel.set_title(channel, color=INK, loc="left", fontsize=10)
        panel.set_xticks([0, 6, 12, 18, 24])
        panel.set_xlabel("hour", color=INK)
        names = [RISKS[k].value.replace("_", " ") for k in shown] if c == 0 else []
        panel.set_yticks(np.arange(len(names)) + 0.5, names)
        panel.tick_params(colors=INK, labelsize=8)
    if image is not None:
        figure.colorbar(image, ax=list(grid[1:]), shrink=0.9).set_label(unit, color=INK, fontsize=8)
    figure.suptitle("Risks: how likely and how dear, and where they hit", color=INK, x=0.01, ha="left")
    return figure


def _draw_matrix(panel: Axes, found: Register) -> None:
    """Cells by rank with the risks in them; the entries of one risk in one cell are told once."""
    ranks = np.array([[RANKS.index(rank(k, j)) for j in range(len(IMPACTS))] for k in range(len(LIKELIHOODS))])
    for k, row in enumerate(ranks):
        for j, of in enumerate(row):
            panel.fill_between([j, j + 1], k, k + 1, color=_RANK_COLOURS[of], edgecolor="white")
            inside = [e for e in found.entries if (e.likelihood_class, e.impact_class) == (k, j)]
            names = dict.fromkeys(e.risk.value.replace("_", "\n") for e in inside)
            text = "\n".join(names) if len(names) < 3 else f"{len(names)} risks"
            panel.text(j + 0.5, k + 0.5, text, ha="center", va="center", fontsize=6, color=INK)
    panel.set(xlim=(0, 5), ylim=(0, 5))
    panel.set_xticks(np.arange(5) + 0.5, IMPACTS, rotation=30, ha="right")
    panel.set_yticks(np.arange(5) + 0.5, LIKELIHOODS)
    panel.set_xlabel("impact", color=INK)
    panel.tick_params(colors=INK, labelsize=8, length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
