"""A picture of the day so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI

if TYPE_CHECKING:
    from bidpilot.envs.bidding_env.episode import Episode


class DayTrace:
    """What row 0 of an episode did, slot by slot."""

    def begin(self, episode: Episode) -> None:
        """Start a new day."""
        self.slots = episode.slots
        row = int(episode.today.index[0])
        self.budget = float(episode.today.campaigns.budget[0])
        self.planned = self.budget - episode.today.plan.spend[row]
        self.ideal = episode.today.ideal[0]
        self.left = [self.budget]
        self.alpha: list[NDArray[np.float64]] = []
        self.reference = episode.today.alpha[0]
        self.wins: list[int] = []
        self.kpi = [np.zeros(3)]

    def record(self, episode: Episode) -> None:
        """Add the slot just played."""
        self.left.append(float(episode.left[0]))
        self.alpha.append(episode.rule.alpha[0].copy())
        self.wins.append(int(episode.totals.wins[0]))
        self.kpi.append(episode.kpi[0].copy())


def draw_day(trace: DayTrace) -> NDArray[np.uint8]:
    """RGB picture (480, 720, 3): budget left against plan, alpha, wins, KPI."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    budget, alpha, wins, kpi = figure.subplots(2, 2).ravel()
    slots = np.arange(trace.slots + 1)
    budget.plot(slots, trace.planned, "--", color="0.5", label="plan")
    budget.plot(slots[: len(trace.left)], trace.left, label="left")
    budget.set(title="budget left (currency)", ylim=(0, trace.budget * 1.02))
    budget.legend(frameon=False)
    for j, name in enumerate(KPI):
        if trace.alpha and trace.reference[j] > 0:
            alpha.step(slots[: len(trace.alpha)], [a[j] / trace.reference[j] for a in trace.alpha], label=name)
        if trace.ideal[j] > 0:
            kpi.plot(slots[: len(trace.kpi)], [x[j] / trace.ideal[j] for x in trace.kpi], label=name)
    alpha.set(title="alpha / reference")
    wins.bar(slots[: len(trace.wins)], trace.wins, width=1.0)
    wins.set(title="wins per slot")
    kpi.set(title="KPI / ideal point")
    kpi.legend(frameon=False)
    for axis in (budget, alpha, wins, kpi):
        axis.set_xlim(0, trace.slots)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]
