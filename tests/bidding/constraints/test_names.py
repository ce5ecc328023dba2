"""A constraint is named in its own file and in the campaign's schema alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.constraints.catalogue import CATALOGUE

ROOT = Path(__file__).parents[3]
FIELDS = {constraint.field for constraint in CATALOGUE}
PREFIXES = tuple(f"{constraint.stem}/" for constraint in CATALOGUE)
OWN = ("bidding/constraints/", "bidding/campaign/campaign.py")
ALLOWED = {
    "envs/logs/": {"max_cpa"},  # a log's days record a target cost: a column of theirs
    "envs/markets/": {"max_cpa"},  # hand that column on
    "envs/synthetic/market.py": {"max_cpa"},  # leaves that column empty
    "envs/answering/": {"max_cpa"},  # likewise
    "envs/bidding_env/campaign_pool.py": {"max_cpa", "min_tail_share"},  # draws campaigns: writes the schema
    "envs/bidding_env/pool_config.py": {"max_cpa"},  # how often it draws which
    "solvers/portfolio/": {"min_tail_share", "channel_caps", "reserve", "cap/"},  # a schema and programs of its own
}
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ("bidding", "envs", "solvers", "agents")
    for path in (ROOT / room).rglob("*.py")
)


def words(source: str) -> Iterator[str]:
    """Every name that code uses, and every whole string; no comments, no words within docstrings."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                yield word
            case ast.keyword(arg=str(word)) | ast.Constant(value=str(word)) | ast.alias(name=word):
                yield word


def named(source: str) -> set[str]:
    """The constraints that a module's code names."""
    found = set()
    for word in words(source):
        found |= {word} & FIELDS
        if word.startswith(PREFIXES):
            found.add(word)
    return found


def allowed(module: str) -> set[str]:
    return set().union(*(names for prefix, names in ALLOWED.items() if module.startswith(prefix)))


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(OWN)])
def test_no_module_names_a_constraint(module: str) -> None:
    """Ask `bidding.constraints.together`, or give the class what is missing."""
    assert named((ROOT / module).read_text(encoding="utf-8")) <= allowed(module)


@pytest.mark.parametrize("prefix", ALLOWED)
def test_every_exception_is_needed(prefix: str) -> None:
    sources = [(ROOT / m).read_text(encoding="utf-8") for m in MODULES if m.startswith(prefix)]
    assert set().union(*(named(source) for source in sources)) == ALLOWED[prefix]


def test_the_scan_sees_every_way_to_name_one() -> None:
    for source in ("c.max_cpa", "f(max_cpa=1)", 'x["max_cpa"]', "max_cpa = 1", "def f(max_cpa): ...", 'n = f"cap/{c}"'):
        assert named(source), source
    assert not named('"""What max_cpa means."""\n# max_cpa\nreserved = 1')


def test_every_constraint_has_its_field_in_the_schema() -> None:
    assert set(Campaign.model_fields) >= FIELDS
    assert len({constraint.stem for constraint in CATALOGUE}) == len(CATALOGUE)
