"""What texts are made of, and how numbers, judgements and sources are written.


Words of judgement (gains, loses, level) are chosen by the 95 % interval, so that they cannot contradict the numbers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence

from docs.figures.catalogue import MEASUREMENTS, TRAININGS
from docs.figures.measure import typed
from docs.figures.record import POOLED, Record, Records, Row

Text = Callable[[Records], str]
"""A function of the records, called by the name of its marks in a page."""
LEARNED = (POOLED, "ppo")
"""The names of the policy over its seeds: by run, and where its runs differ from part to part."""
WIDTH = 120
NUMBERS = ("no", "one", "two", "three", "four", "five")


def paragraph(words: str) -> str:
    """Words as a paragraph of lines."""
    return textwrap.fill(words, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent."""
    return f"{100 * share:.{digits}f} %"


def short(agent: str) -> str:
    """The agent's name as texts have it."""
    return agent.partition("@")[0] if agent.partition("@")[2] == POOLED.partition("@")[2] else agent


def seeds(record: Record) -> str:
    """Over how many trainings the policy's rows are, in words; the same for all."""
    (count,) = {row["seeds"] for row in record.rows if row.get("agent") in LEARNED and "seeds" in row}
    return NUMBERS[count]


def verdict(pair: Row) -> str:
    """What the interval says: gains, loses, level, or unknown where there are too few groups for one."""
    if pair["diff_low"] is None:
        return "unknown"
    return "gains" if pair["diff_low"] > 0 else "loses" if pair["diff_high"] < 0 else "level"


def signed(number: float, digits: int = 4) -> str:
    """A number with its sign; zero has none."""
    written = f"{number:+.{digits}f}"
    return written if float(written) else written[1:]


def judged(pairs: Iterable[Row], digits: int = 4, brief: bool = False) -> str:
    """What an agent gains and loses, the most first: `gains 0.10 on `a` (0.05 to 0.15); it is level on `b` (...)`.

    Where `brief`, suites on which it is level are named alone.
    """
    ordered = sorted(pairs, key=lambda pair: -abs(pair["diff"]))
    whole = {"gains": "gains {}", "loses": "loses {}", "level": "is level on {}", "unknown": "is not judged on {}"}
    parts = []
    for kind, words in whole.items():
        found = [_on_suite(pair, digits, brief) for pair in ordered if verdict(pair) == kind]
        parts += [words.format(listed(found))] if found else []
    return "; it ".join(parts)


def _on_suite(pair: Row, digits: int, brief: bool) -> str:
    where = f"`{pair['suite']}`"
    if verdict(pair) in ("gains", "loses"):
        return f"{abs(pair['diff']):.{digits}f} on {where} ({_numbers(pair, digits)})"
    return where if brief else f"{where} ({_numbers(pair, digits)})"


def said(pair: Row, digits: int = 4) -> str:
    """What one interval says: `gains 0.10 (0.05 to 0.15)`, `is level (+0.01, -0.02 to +0.04)`."""
    kind, numbers = verdict(pair), _numbers(pair, digits)
    if kind in ("gains", "loses"):
        return f"{kind} {abs(pair['diff']):.{digits}f} ({numbers})"
    return f"is {'level' if kind == 'level' else 'not judged'} ({numbers})"


def _numbers(pair: Row, digits: int) -> str:
    """The interval without signs where the verdict is one; else the difference and the interval, with signs."""
    kind, diff, low, high = verdict(pair), pair["diff"], pair["diff_low"], pair["diff_high"]
    if kind == "unknown":
        return f"{signed(diff, digits)}, of too few groups for an interval"
    if kind == "level":
        return f"{signed(diff, digits)}, {signed(low, digits)} to {signed(high, digits)}"
    nearest, farthest = sorted((abs(low), abs(high)))
    return span(nearest, farthest, digits)


def span(low: float | None, high: float | None, digits: int = 4) -> str:
    """The ends of an interval; in words where there is none."""
    return "too few groups" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def own_commands(name: str) -> list[str]:
    """The commands of a measurement; the trainings that several share stand with the suites."""
    commands = MEASUREMENTS[name].commands
    return [typed(command) for command in commands if command not in TRAININGS or name == "suites"]


def block(name: str) -> str:
    """The commands of a measurement to copy."""
    return "\n".join(["```bash", *(f".venv/bin/{command}" for command in own_commands(name)), "```"])


def origin(record: Record) -> str:
    """Where a record comes from."""
    if "texts" in record.made:
        return f"taken over from {record.made['texts']}"
    minutes = max(1, round(sum(step.seconds or 0.0 for step in record.steps) / 60))
    commit = record.made.get("git.commit", "unknown")[:7]
    return f"{record.made['date']}, commit {commit}, {minutes} min, {record.made['machine']}"
