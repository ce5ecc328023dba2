"""The pages with their generated texts, between `<!-- figure: NAME -->` and `<!-- end -->`.

Marks on lines of their own hold paragraphs and tables; marks within a line hold words of a sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

from bidpilot.training.report.comparison import Interval, interval_plot
from bidpilot.training.report.differences import difference_map
from docs.figures import alerts, answering, experiments, ground, protocols, risks, simulate, suites, worlds
from docs.figures.measure import ROOT
from docs.figures.record import POOLED, NotMeasured, Records
from docs.figures.words import short

TEXTS = {
    **suites.TEXTS,
    **protocols.TEXTS,
    **alerts.TEXTS,
    **risks.TEXTS,
    **ground.TEXTS,
    **worlds.TEXTS,
    **experiments.TEXTS,
    **simulate.TEXTS,
    **answering.TEXTS,
}
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
MARKS = re.compile(r"(<!-- figure: ([\w-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)
_SHOWN = ("steady", "daily", "shift")


def written(page: str, records: Records) -> str:
    """The page with every text as the records have it.

    Raises:
        KeyError: a mark names no text.
    """

    def text(found: re.Match[str]) -> str:
        try:
            words = TEXTS[found[2]](records)
        except NotMeasured as missing:
            words = f"*Not measured yet: `make figures ONLY={missing.args[0]}`.*"
        return f"{found[1]}\n{words}\n{found[4]}" if found[3].startswith("\n") else f"{found[1]}{words}{found[4]}"

    return MARKS.sub(text, page)


def write_all(records: Records) -> None:
    """Write every text and picture."""
    for path in PAGES:
        path.write_text(written(path.read_text(encoding="utf-8"), records), encoding="utf-8")
    draw(records, ROOT / "docs")


def draw(records: Records, folder: Path) -> None:
    """Draw the pictures that are of rows; docs/market.py draws its own."""
    rows = [row for row in records["suites"].rows if "iqm" in row and row["suite"] in _SHOWN and _whole(row["agent"])]
    if all("ci_low" in row for row in rows):  # what was taken over from texts has no intervals
        shown = [Interval(short(r["agent"]), r["suite"], r["iqm"], r["ci_low"], r["ci_high"]) for r in rows]
        interval_plot(shown).savefig(folder / "agents.png", dpi=120)
    pairs = [row for row in records["ablation"].rows if row["against"] == "mpc"]
    difference_map(pairs).savefig(folder / "ablation.png", dpi=120)  # type: ignore[arg-type]


def _whole(agent: str) -> bool:
    return agent == POOLED or "@" not in agent
