"""One simulated day three times over: without faults, with faults and no guard, and with faults and the guard.

`make game-day`, or `python -m tests.game_day.game_day`. The day has a full disk, an exchange that tells wins and bills
none, a burst of bots, an outage of tracking and a fall of traffic in it (`faults.py`), and an operator who stops all
bidding while the disk is full, lets it go on, and cuts the budget. What is printed is a timeline of what was noticed,
done and undone, the money, with `--alone` what each fault costs by itself, and each condition; the last line is the
verdict. `--days N` walks N honest days with the guard instead, and counts what it tells; `--seeds N` plays N game days,
and counts what was noticed of them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bidpilot.training.report.files import write_json
from tests.game_day.fatigue import fatigue
from tests.game_day.faults import FAULTS
from tests.game_day.plays import Bundles, alone, play
from tests.game_day.report import as_rows, by_fault, listed, money, over_days, sum_of, timeline, verdict
from tests.game_day.verdict import conditions, missed
from tests.game_day.walk import START


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is such a thing: thousands of commits need not outlive the day."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="bidpilot-game-day-", dir=shared if shared.is_dir() else None)


def count(days: int, file: Path | None) -> int:
    """Walk honest days and print what is told of them; 0 where none of them is stopped."""
    with scratch() as folder:
        found = fatigue(Bundles.written(Path(folder)), Path(folder) / "days", days)
    write_json(file, [found.as_row()])
    print(f"honest days: {'failed' if found.stops else 'passed'}: {found}")
    return 1 if found.stops else 0


def several(seeds: int, file: Path | None) -> int:
    """Play game days of several seeds, and print how many of them noticed each fault and what the faults cost; 0."""
    with scratch() as folder:
        bundles = Bundles.written(Path(folder))
        days = [play(bundles, Path(folder) / str(seed), seed) for seed in range(seeds)]
    rows = [over_days(fault, days) for fault in FAULTS]
    for row in rows:
        print(
            f"{row['fault']:<18} {row['found']} of {seeds} days, {row['in_time']} in time, median slot {row['median']}"
        )
    total = sum_of(days)
    write_json(file, [*rows, total])
    lost = [f"{total[name]:.3f}" for name in ("unguarded", "guarded")]
    print(
        f"game days: {total['passed']} of {seeds} passed; of {total['budget']:g} the faults cost {lost[0]} a day "
        f"without the guard and {lost[1]} with it; {total['stops']} stops of level 3"
    )
    return 0


def main() -> int:
    """Play one game day; 0 where it passed."""
    parser = argparse.ArgumentParser(description="Play a day with faults with and without the guard.")
    parser.add_argument("--seed", type=int, default=0, help="seed of the day and of its bots")
    parser.add_argument("--seeds", type=int, default=0, help="game days to count what is noticed of, in its place")
    parser.add_argument("--json", type=Path, help="file to write the rows to, as JSON")
    parser.add_argument("--days", type=int, default=0, help="honest days to count what is told of, in its place")
    parser.add_argument("--alone", action="store_true", help="play each fault alone, too, for what it costs")
    given = parser.parse_args()
    if given.seeds:
        return several(given.seeds, given.json)
    if given.days:
        return count(given.days, given.json)
    with scratch() as folder:
        bundles = Bundles.written(Path(folder))
        day = play(bundles, Path(folder) / "day", given.seed)
        single = alone(bundles, Path(folder), given.seed) if given.alone else []
    found = conditions(day)
    parts = (timeline(FAULTS, day.guarded.incidents, START), money(day), by_fault(single), listed(found))
    print(*filter(None, parts), sep="\n\n", end="\n\n")
    write_json(given.json, as_rows(day, single, found))
    print(verdict(day, found))
    return 1 if missed(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
