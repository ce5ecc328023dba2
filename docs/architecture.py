"""Draw the pictures of docs/architecture.md from the project's own imports.

Run from the project's root after rooms or arrows changed: `python docs/architecture.py`. Each picture is a Mermaid
block between two marks; an arrow says that a room imports another, and arrows that follow from others are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import grimp
import networkx as nx

PAGE = Path(__file__).with_name("architecture.md")
PACKAGE = "bidpilot"
WHOLE = ("bidding", "envs", "solvers", "agents.acting", "agents.baselines", "agents.learners", "training", "serving")
INSIDE = ("bidding", "envs", "training")


def arrows(graph: grimp.ImportGraph, rooms: Iterable[str]) -> nx.DiGraph:
    """Which of these rooms imports which, those arrows left out that follow from others.

    Rooms that import each other in a circle keep all of their arrows, so that the circle is seen.
    """
    drawn = nx.DiGraph()
    names = sorted(rooms)
    drawn.add_nodes_from(names)
    for importer in names:
        for imported in names:
            if importer == imported:
                continue
            chains = graph.direct_import_exists(
                importer=f"{PACKAGE}.{importer}", imported=f"{PACKAGE}.{imported}", as_packages=True
            )
            if chains:
                drawn.add_edge(importer, imported)
    return nx.transitive_reduction(drawn) if nx.is_directed_acyclic_graph(drawn) else drawn


def mermaid(drawn: nx.DiGraph) -> str:
    """The picture as a Mermaid block."""
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {name.replace('.', '_')}[{name}]" for name in sorted(drawn)]
    lines += [f"    {a.replace('.', '_')} --> {b.replace('.', '_')}" for a, b in sorted(drawn.edges)]
    return "\n".join([*lines, "```"])


def pictures() -> dict[str, str]:
    """Each picture by the name of its marks: the whole, and the inside of single folders."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found = {"whole": mermaid(arrows(graph, WHOLE))}
    for folder in INSIDE:
        # Only packages are rooms: a single file of a folder belongs to no room of it.
        children = graph.find_children(f"{PACKAGE}.{folder}")
        # Errors are everybody's: arrows to them say nothing.
        rooms = [
            child.removeprefix(f"{PACKAGE}.")
            for child in children
            if graph.find_children(child) and not child.endswith(".errors")
        ]
        found[folder] = mermaid(arrows(graph, rooms))
    return found


def drawn_into(page: str) -> str:
    """The page with every picture as the imports are now."""
    for name, block in pictures().items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = marks.sub(lambda found, block=block: f"{found[1]}{block}\n{found[2]}", page)
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn_into(PAGE.read_text()))
