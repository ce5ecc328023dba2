"""The whole way that a user goes, with real processes: `make loop`, or `python -m tests.loop.loop --size small`.

A log is imported, a policy trained and evaluated, beside one of another market, exported, held against another in an
experiment that is served, and served; an exchange
sends it bid requests, notices and events, and on one day a flood of bots; the decision log is read, imported, reviewed
and trained on; the better policy is promoted, fetched and served. At each joint what comes out is what went in:
auctions, money and KPIs, in whole millionths wherever they are counted. Parts that exist and are not joined are not
done.

A feature joins the loop as a step, a fault as well: one file in `steps/` with a function `run(room)` that begins with
a sentence on what it adds, and one line in STEPS below, at its place on the way. A step

- runs commands by `room.bidpilot("train", ...)`, which fails with the command and the end of its output, and servers
  by `tests.serving.served.Served`;
- reads files, addresses and the tracking store as a user would;
- says what must be equal by `room.same(joint, found, expected)` and what must hold by `room.holds(joint, fact,
  otherwise)`; a joint's name, "what gives -> what takes: what is compared", is what a failure shows;
- leaves to later steps, as an attribute of `Room`, only what the world outside bidpilot knows.

What the exchange does wrong belongs to `exchange.py`, where a rough day is made of such things, and is counted there.
Checks that compare tables are functions of their own, so that `test_checks.py` can show that each sees its fault.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.loop.room import SIZES, CommandFailed, JointBroken, Room, tail
from tests.loop.steps import (
    champion,
    crown,
    decisions,
    evaluate,
    experiment,
    export,
    import_decisions,
    import_logs,
    promote,
    retrain,
    second_market,
    serve,
    train,
    two_bidders,
)

STEPS: tuple[tuple[str, Callable[[Room], None]], ...] = (
    ("import", import_logs.run),
    ("train", train.run),
    ("evaluate", evaluate.run),
    ("second market", second_market.run),
    ("export", export.run),
    ("experiment", experiment.run),
    ("promote the first", crown.run),
    ("serve", serve.run),
    ("two bidders", two_bidders.run),
    ("read decisions", decisions.run),
    ("import decisions", import_decisions.run),
    ("retrain", retrain.run),
    ("promote", promote.run),
    ("serve the champion", champion.run),
)
"""The way, in order: what a step is called, and what it does."""


def walk(room: Room) -> bool:
    """Go through every step; whether each joint held. Prints where it broke."""
    for name, step in STEPS:
        try:
            room.go(name, step)
        except JointBroken as broken:
            complain(room, f"the loop broke in step '{name}', at the joint {broken}\n\n{room.last}")
            return False
        except CommandFailed as failed:
            complain(room, f"the loop broke in step '{name}': {failed}")
            return False
        except Exception:  # of whatever kind, the step is named
            complain(room, f"the loop broke in step '{name}':\n{traceback.format_exc()}")
            return False
    return True


def complain(room: Room, text: str) -> None:
    """Say what broke, and what the servers said last."""
    print(f"\n{text}", file=sys.stderr)
    for log in sorted(room.folder.glob("*/server.log")):
        print(f"\nthe end of {log}:\n{tail(log.read_text())}", file=sys.stderr)


def table(room: Room) -> str:
    """Steps, their seconds, figures (>) and joints that were checked, with how often where that is not once."""
    lines = []
    for line in room.lines:
        often = {joint: line.checked.count(joint) for joint in line.checked}
        joints = [joint if n == 1 else f"{joint} ({n} times)" for joint, n in often.items()]
        head = f"{line.step:<20}{line.seconds:>8.1f}  "
        texts = [*(f"> {figures}" for figures in line.told), *joints]
        lines += [head + texts[0], *(" " * len(head) + text for text in texts[1:])]
    seconds = sum(line.seconds for line in room.lines)
    joints_checked = sum(len(line.checked) for line in room.lines)
    title = f"{'step':<20}{'seconds':>8}  checked"
    return "\n".join([title, *lines, f"{'all':<20}{seconds:>8.1f}  {joints_checked} checks, all held"])


def main() -> int:
    """Walk the loop once; 0 where every joint held. The folder is kept where one did not, or where it was named."""
    parser = argparse.ArgumentParser(description="Go the whole way that a user goes, and check every joint.")
    parser.add_argument("--size", choices=SIZES, default="small", help="how much is played")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    parser.add_argument("--folder", type=Path, help="new folder to work in and to keep; a temporary one by default")
    given = parser.parse_args()
    kept = given.folder is not None
    if kept and given.folder.exists():
        parser.error(f"{given.folder} exists: the loop wants a folder, and in it a tracking store, of its own")
    folder = given.folder.resolve() if kept else Path(tempfile.mkdtemp(prefix="bidpilot-loop-"))
    folder.mkdir(parents=True, exist_ok=True)
    room = Room(folder, SIZES[given.size], np.random.default_rng(given.seed))
    held = walk(room)
    if held:
        print("\n" + table(room))
    if held and not kept:
        shutil.rmtree(folder)
    else:
        print(f"its files are in {folder}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
