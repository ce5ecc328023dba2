"""A training on a log of another market changes nothing of the first: each log is played under its own forecast."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl

from tests.loop.room import Room
from tests.loop.source import Source, write_csv
from tests.loop.steps.evaluate import AGENTS
from tests.loop.steps.train import train

DEARER = 8
"""What prices and budgets of the second market are multiplied by: a power of two, so that shares of R* stay."""
_PARITY = 1e-6  # of R / R*: prices are stored as float32


def run(room: Room) -> None:
    """Import the second market's days, train on them, and evaluate both logs without naming a run."""
    for part in ("train", "test"):
        write_csv(dearer(room.sources[part]), room.path(f"second-{part}.csv"))
        files = (f"second-{part}.csv", "--mapping", "mapping.yaml", "--out", f"logs/second-{part}")
        room.bidpilot("import", "mapping", *files)
    train(room, "of the second market", "logs/second-train")
    first, second = room.runs["first"], room.runs["of the second market"]
    before = json.loads(room.path("evaluation.json").read_text())
    both = evaluated(room, "test", f"ppo@{second}", "ppo")
    check_own(room, "test", without(both, second), before)
    theirs = evaluated(room, "second-test", "ppo")
    check_forecast(room, theirs, second)
    check_scale(room, scores(theirs)["mpc"], scores(before)["mpc"])
    check_crossed(room, without(both, first), before, first)


def dearer(source: Source) -> Source:
    """The same days at other prices, with budgets to match."""
    return replace(
        source, auctions=source.auctions.with_columns(pl.col("price") * DEARER), budget=source.budget * DEARER
    )


def evaluated(room: Room, log: str, *learned: str) -> list[dict[str, Any]]:
    """All rows of an evaluation on a log, of the controllers and these policies."""
    agents = [name for name in AGENTS if name != "ppo"]
    room.bidpilot("evaluate", "--agents", *agents, *learned, "--log", f"logs/{log}", "--json", "second.json")
    return list(json.loads(room.path("second.json").read_text()))


def without(rows: list[dict[str, Any]], run: str) -> list[dict[str, Any]]:
    """The rows that are not of a run's policy."""
    return [row for row in rows if f"ppo@{run}" not in (row["agent"], row.get("against"))]


def scores(rows: list[dict[str, Any]]) -> dict[str, float]:
    """R / R* by agent, without its run."""
    return {row["agent"].partition("@")[0]: row["iqm"] for row in rows if "iqm" in row}


def check_own(room: Room, log: str, found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """A log's rows are those of its own training, to the bit."""
    room.same(f"two markets -> evaluation of {log}: rows of its own training", found, expected)


def check_forecast(room: Room, rows: list[dict[str, Any]], run: str) -> None:
    """All agents have the forecast of one training, and a policy is that training's."""
    told = {(row["forecast_run"], row["run"]) for row in rows if "iqm" in row}
    room.same("two markets -> evaluation of second-test: its own training", told, {(run, None), (run, run)})


def check_scale(room: Room, second: float, first: float) -> None:
    """A controller has the same share of R* where prices and budgets are both dearer."""
    told = f"{second} where prices are {DEARER} times as high, {first} before"
    room.holds("two markets -> evaluation: free of the scale of money", abs(second - first) <= _PARITY, told)


def check_crossed(room: Room, rows: list[dict[str, Any]], before: list[dict[str, Any]], own: str) -> None:
    """A policy of another market is marked, and brings no forecast with it."""
    joint = "policy of another market -> evaluation"
    marks = {row["agent"].partition("@")[0]: row["other_market"] for row in rows if "iqm" in row}
    room.same(f"{joint}: who is marked", [name for name, marked in marks.items() if marked], ["ppo"])
    room.same(f"{joint}: the forecast", {row["forecast_run"] for row in rows if "iqm" in row}, {own})
    room.same(f"{joint}: the controller's share", scores(rows)["mpc"], scores(before)["mpc"])
