"""The policy is evaluated on days that it has not seen, as a file of rows."""

from __future__ import annotations

import json
from typing import Any

from tests.loop.room import Room

AGENTS = ("plan", "mpc", "ppo")
_REFERENCE = "mpc_informed"
_SLACK = 1e-9  # of a share of the budget: rounding of one division


def run(room: Room) -> None:
    """Play the test log, and the days to be served, of which is kept what share of the budget the policy spends."""
    learned = f"ppo@{room.runs['first']}"
    agents = [learned if name == "ppo" else name for name in AGENTS]
    room.bidpilot("evaluate", "--agents", *agents, "--log", "logs/test", "--json", "evaluation.json")
    rows = [row for row in json.loads(room.path("evaluation.json").read_text()) if "spend_share" in row]
    check_rows(room, rows, len(room.sources["test"].days))
    room.bidpilot("evaluate", "--agents", learned, "--log", "logs/served", "--json", "expected.json")
    expected = json.loads(room.path("expected.json").read_text())
    (policy,) = (row for row in expected if row["agent"].startswith("ppo") and "spend_share" in row)
    room.expected_spend = policy["spend_share"]
    room.tell(", ".join(f"{row['agent'].partition('@')[0]} {row['iqm']:.4f}" for row in rows) + " of R*")


def check_rows(room: Room, rows: list[dict[str, Any]], days: int) -> None:
    """Every agent played every day and kept to its budget."""
    names = sorted(row["agent"].partition("@")[0] for row in rows)
    room.same("run -> evaluation: agents", names, sorted([*AGENTS, _REFERENCE]))
    room.same("test -> evaluation: days", {row["days"] for row in rows}, {days})
    spent = {row["agent"]: row["spend_share"] for row in rows}
    within = all(0 < share <= 1 + _SLACK for share in spent.values())
    room.holds("test -> evaluation: spend within the budget", within, str(spent))
    scores = {row["agent"]: row["iqm"] for row in rows}
    sound = all(0 < score <= 1 + _SLACK for score in scores.values())
    room.holds("test -> evaluation: R / R* between 0 and 1", sound, str(scores))
