"""The page says how it was made, and what the rows say."""

from pathlib import Path

import pytest

from bidpilot.training.ablate.catalogue import VARIANTS
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.ablate.markdown import Ablation, command, markdown
from bidpilot.training.ablate.parts import PARTS
from bidpilot.training.report.tables import AgentRow, PairRow

NAMES = ("full", "no_groups", "memory")


def agent(name: str, iqm: float, seeds: int = 1) -> AgentRow:
    return AgentRow(
        agent=name,
        suite="daily",
        iqm=iqm,
        ci_low=iqm - 0.01,
        ci_high=iqm + 0.01,
        mean=iqm,
        mean_low=iqm - 0.01,
        mean_high=iqm + 0.01,
        p5=0.5,
        vs_mpc=0.0,
        gap_closed=None,
        knowable_closed=None,
        filter_closed=None,
        spend_share=1.0,
        violation_rate=0.0,
        violation_size=0.0,
        roughness=0.1,
        to_bound=None,
        days=64,
        groups=64,
        seeds=seeds,
    )


def pair(name: str, against: str, diff: float) -> PairRow:
    low, high = diff - 0.001, diff + 0.001
    return PairRow(agent=name, against=against, suite="daily", diff=diff, diff_low=low, diff_high=high, groups=64)


AGENTS = [
    agent("mpc", 0.97),
    agent("mpc_informed", 0.99),
    *(agent(f"{name}@{run}", 0.9 + run / 100) for name in NAMES for run in (1, 3)),
    *(agent(name, 0.92, seeds=2) for name in (*NAMES, "imitation")),
]
PAIRS = [
    *(pair(name, "mpc", -0.05) for name in (*NAMES, "imitation")),
    pair("no_groups", "full", 0.0004),
    pair("memory", "full", -0.03),
    pair("memory", "no_groups", -0.0304),
]


def page(*names: str, config: AblateConfig | None = None) -> list[str]:
    variants = [VARIANTS[name] for name in names]
    chosen = [row for row in PAIRS if {row["agent"], row["against"]} <= {*names, "mpc"}]
    return markdown(Ablation(config or AblateConfig(), variants, AGENTS, chosen)).splitlines()


def after(lines: list[str], heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    rest = lines[lines.index(heading) :]
    start = next(i for i, line in enumerate(rest) if line.startswith("|"))
    stop = next((i for i, line in enumerate(rest) if i > start and not line.startswith("|")), len(rest))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rest[start:stop]]


def test_differences_stand_in_thousandths_bold_where_the_interval_leaves_out_zero() -> None:
    assert after(page(*NAMES), "## Beside `full`") == [
        ["suite", "`no_groups`", "`memory`", "`memory` - `no_groups`"],
        ["---"] * 4,
        ["`daily`", "+0.4 (-0.6 .. +1.4)", "**-30.0** (-31.0 .. -29.0)", "**-30.4** (-31.4 .. -29.4)"],
    ]
    beside_mpc = after(page(*NAMES), "## Beside `mpc`")
    assert beside_mpc[2] == ["`daily`", *["**-50.0** (-51.0 .. -49.0)"] * 3]


def test_adaptive_without_its_parts_stands_beside_itself_where_it_was_played() -> None:
    assert not any("each of its parts" in line for line in page("full"))
    pairs = [*PAIRS, pair("adaptive", "mpc", 0.001), *(pair(name, "adaptive", -0.002) for name in PARTS)]
    lines = markdown(Ablation(AblateConfig(), [VARIANTS["full"]], AGENTS, pairs)).splitlines()
    assert after(lines, "## Beside `mpc`")[2] == ["`daily`", "+1.0 (+0.0 .. +2.0)", "**-50.0** (-51.0 .. -49.0)"]
    told = after(lines, "## `adaptive` without each of its parts")
    assert [row[0] for row in told[2:]] == [f"`{name}`" for name in PARTS]
    last = [line for line in lines if line.startswith("| `daily`")][1]
    assert last.count("**-2.0** (-3.0 .. -1.0)") == len(PARTS)


def test_a_difference_of_too_few_days_says_so() -> None:
    row = pair("full", "mpc", -0.05)
    row |= {"diff_low": None, "diff_high": None}
    lines = markdown(Ablation(AblateConfig(), [VARIANTS["full"]], AGENTS, [row])).splitlines()
    assert after(lines, "## Beside `mpc`")[2] == ["`daily`", "-50.0 (too few)"]


def test_ratios_stand_with_the_range_of_their_seeds() -> None:
    assert after(page("full"), "## R / R\\*")[2] == ["`daily`", "0.9700", "0.9900", "0.9200 (0.9100 .. 0.9300)"]


def test_where_full_was_not_trained_nothing_is_compared_with_it() -> None:
    assert "## Beside `full`" not in page("no_groups")
    assert after(page("no_groups", "memory"), "## Beside `full`")[0] == ["suite", "`memory` - `no_groups`"]


def test_the_page_says_seeds_steps_and_days_and_what_each_variant_leaves_out() -> None:
    lines = page("full", "memory", config=AblateConfig(seeds=(4, 5), total_steps=12_288, days=64))
    told = next(line for line in lines if line.startswith("Made by"))
    assert "seeds 4 5, 12,288 steps each" in told
    assert "plays 64 held-out days" in told
    assert "(`imitation` none)" not in told
    assert any("steps each (`imitation` none)" in line for line in page("imitation"))
    assert any(line.startswith("| `memory` | groups, and adds memory") for line in lines)


@pytest.mark.parametrize(
    ("config", "typed"),
    [
        ({}, "bidpilot ablate"),
        ({"workers": 1, "fresh": True, "json": Path("rows.json"), "experiment": "mine"}, "bidpilot ablate"),
        (
            {"seeds": (0, 1), "out": Path("my docs/ablation.md"), "ppo": {"batch_size": 1024}},
            "bidpilot ablate --ppo.batch-size 1024 --seeds 0 1 --out 'my docs/ablation.md'",
        ),
    ],
)
def test_the_command_holds_every_option_that_changes_the_page(config: dict[str, object], typed: str) -> None:
    assert command(AblateConfig.model_validate(config)) == typed
