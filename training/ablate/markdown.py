"""An ablation as a page of Markdown: how it was made, what was left out, and what that costs on which suite."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bidpilot.agents.acting.controllers import ADAPTIVE
from bidpilot.training.ablate.catalogue import FULL, Variant
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.ablate.parts import PARTS
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.names import REFERENCES
from bidpilot.training.report.tables import TOO_FEW, AgentRow, PairRow, decided

_NOT_TOLD = ("workers", "backend", "address", "fresh", "json_file", "experiment")  # options that change no number


@dataclass(frozen=True)
class Ablation:
    """What an ablation found."""

    config: AblateConfig
    variants: Sequence[Variant]
    agents: Sequence[AgentRow]  # per suite: the reference controllers, every training, every variant over its seeds
    pairs: Sequence[PairRow]  # per suite: every variant against mpc, `full`, and the variant that it stands beside;
    # `adaptive` against mpc, and without each of its parts against itself, where it was played


def markdown(found: Ablation) -> str:
    """The page; nothing on it but the variants' descriptions is typed by hand."""
    config = found.config
    seeds = " ".join(str(seed) for seed in dict.fromkeys(config.seeds))
    untrained = [v.name for v in found.variants if v.overrides.get("total_steps") == 0]
    steps = f"{config.total_steps:,} steps each" + (f" (`{untrained[0]}` none)" if untrained else "")
    paired = {(row["agent"], row["against"]) for row in found.pairs}
    whole = [ADAPTIVE.name] if (ADAPTIVE.name, REFERENCES[0]) in paired else []
    parts = [
        "# What each part of training buys",
        f"Made by `{command(config)}`; do not edit. Each variant is trained with seeds {seeds}, {steps}, and plays "
        f"{config.days} held-out days of every suite with all of its answers. A difference is the mean over seeds and "
        "days of R / R*, paired by day, in thousandths, with its 95 % interval over days; the trainings are not "
        "resampled. Bold: the interval leaves out zero.",
        _table(("variant", "what it leaves out"), [(f"`{v.name}`", v.without) for v in found.variants]),
        f"## Beside `{REFERENCES[0]}`",
        _differences(found, [(name, REFERENCES[0]) for name in (*whole, *(v.name for v in found.variants))]),
    ]
    beside = [(v.name, against) for v in found.variants for against in dict.fromkeys((FULL, v.beside))]
    known = [pair for pair in beside if pair in paired]
    if known:
        parts += [
            f"## Beside `{FULL}`",
            "Below zero, what the variant leaves out helps.",
            _differences(found, known),
        ]
    if whole:
        parts += [
            f"## `{ADAPTIVE.name}` without each of its parts",
            f"Nothing of it is trained. Beside `{ADAPTIVE.name}`; below zero, the part helps.",
            _table(("played", "what it leaves out"), [(f"`{name}`", part.without) for name, part in PARTS.items()]),
            _differences(found, [(name, ADAPTIVE.name) for name in PARTS]),
        ]
    parts += ["## R / R\\*", f"Interquartile means{_spread(found)}.", _ratios(found)]
    return "\n\n".join(parts) + "\n"


def command(config: AblateConfig) -> str:
    """The command line that makes these numbers: every option that is not at its default."""
    default = flat(AblateConfig())
    words = ["bidpilot", "ablate"]
    for name, value in flat(config).items():
        if name in _NOT_TOLD or value == default[name]:
            continue
        typed = [str(value)] if name == "out" else str(value).split()
        words += [f"--{name.replace('_', '-')}", *typed]
    return shlex.join(words)


def _differences(found: Ablation, asked: Sequence[tuple[str, str]]) -> str:
    """A line per suite, a column per agent and whom it stands beside, who is named where the heading does not."""
    rows = {(row["suite"], row["agent"], row["against"]): row for row in found.pairs}
    told = (FULL, REFERENCES[0], ADAPTIVE.name)
    heads = [f"`{name}`" + ("" if against in told else f" - `{against}`") for name, against in asked]
    lines = [(f"`{suite}`", *(_difference(rows[suite, *pair]) for pair in asked)) for suite in _suites(found)]
    return _table(("suite", *heads), lines)


def _difference(row: PairRow) -> str:
    middle, (low, high) = f"{1000 * row['diff']:+.1f}", (row["diff_low"], row["diff_high"])
    if low is None or high is None:
        return f"{middle} ({TOO_FEW})"
    return f"{f'**{middle}**' if decided(row) else middle} ({1000 * low:+.1f} .. {1000 * high:+.1f})"


def _spread(found: Ablation) -> str:
    pooled = any(row["seeds"] > 1 for row in found.agents)
    return " of the days' means over seeds, with the least and the greatest of a single seed" if pooled else ""


def _ratios(found: Ablation) -> str:
    """A line per suite, a column per agent: over its seeds, and the range of single trainings."""
    names = [*REFERENCES, *(v.name for v in found.variants)]
    lines = []
    for suite in _suites(found):
        iqm = {row["agent"]: row["iqm"] for row in found.agents if row["suite"] == suite}
        lines.append((f"`{suite}`", *(_ratio(name, iqm) for name in names)))
    return _table(("suite", *(f"`{name}`" for name in names)), lines)


def _ratio(name: str, iqm: Mapping[str, float]) -> str:
    single = [value for agent, value in iqm.items() if agent.startswith(f"{name}@")]
    return f"{iqm[name]:.4f}" + (f" ({min(single):.4f} .. {max(single):.4f})" if single else "")


def _suites(found: Ablation) -> list[str]:
    return list(dict.fromkeys(row["suite"] for row in found.agents))


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))
