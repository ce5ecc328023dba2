"""Of several creatives those that bring more are shown more; what was learnt outlives a restart and stays bounded."""

from __future__ import annotations

import random
from collections import Counter, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.creatives.rotation import Learnt, Rotation
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.server import applications
from tests.serving.openrtb.desks import NOW, URL, Desks

HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": "feed/head"}}
DAYS, EXPOSURES, LATE = 7, 2000, 150


def nowhere(campaign: str, text: str) -> None:
    """Keeps nothing."""


def pieces(count: int) -> Any:
    return [SimpleNamespace(number=n + 1) for n in range(count)]


def regret(rates: list[float], size: float, seed: int) -> list[float]:
    """By day: the share of what the best creative would have brought that was missed; outcomes come late.

    `size`: what an event brings, at random with this mean, as interactions of unequal weights do.
    """
    generator, rotation = np.random.default_rng(seed), Rotation(nowhere, {}, random.Random(seed))
    there, waiting = pieces(len(rates)), deque[tuple[int, float]]()
    missed = []
    for _ in range(DAYS):
        lost = 0.0
        for _ in range(EXPOSURES):
            k = rotation.best("c", there)
            lost += max(rates) - rates[k]
            rotation.billed("c", k + 1)
            brought = generator.exponential(size) if generator.random() < rates[k] else 0.0
            waiting.append((k + 1, brought))
            if len(waiting) > LATE and (late := waiting.popleft())[1]:
                rotation.told("c", *late)
        missed.append(lost / (EXPOSURES * max(rates)))
    return missed


@pytest.mark.parametrize(("rates", "size"), [([0.02, 0.03, 0.06], 1.0), ([0.05, 0.1], 3.0), ([0.1] + [0.05] * 4, 0.2)])
def test_its_regret_against_the_best_creative_is_a_part_of_an_even_split_and_shrinks(
    rates: list[float], size: float
) -> None:
    even = 1 - sum(rates) / len(rates) / max(rates)
    by_day = np.mean([regret(rates, size, seed) for seed in range(2)], axis=0)
    assert by_day.mean() < 0.35 * even
    assert by_day[-2:].mean() < 0.15 * even
    assert by_day[-1] < by_day[0]


def test_creatives_that_bring_alike_are_all_shown() -> None:
    rotation, there = Rotation(nowhere, {}, random.Random(0)), pieces(2)
    shown = Counter(rotation.best("c", there) for _ in range(2000))
    assert min(shown.values()) > 900
    for number in (1, 2):
        rotation.billed("c", number, 500.0)
        for _ in range(25):
            rotation.told("c", number, 1.0)
    shown = Counter(rotation.best("c", there) for _ in range(2000))
    assert min(shown.values()) > 800


def test_what_is_kept_is_bounded_and_of_creatives_that_there_are() -> None:
    kept: dict[str, str] = {}
    rotation = Rotation(kept.__setitem__, {})
    for number in range(100):
        rotation.billed("c", number, 150_000.0)
        rotation.told("c", number, 7.0)
    rotation.tend(0.0, lambda: {"c": {3, 4}})
    rotation.billed("c", 3)
    rotation.tend(1.0, lambda: {"c": {3, 4}})  # not yet again
    assert Rotation(nowhere, kept)._learnt == {"c": {n: Learnt(75_000.0, 7.0, 49.0) for n in (3, 4)}}
    rotation.keep(dict)
    assert Rotation(nowhere, kept)._learnt == {}


@pytest.mark.parametrize("text", ["", "[]", "7", '{"1": 7}', '{"x": [1, 1, 1]}', '{"1": [-1, 0, 0]}'])
def test_what_cannot_be_read_is_forgotten(text: str) -> None:
    assert Rotation(nowhere, {"c": text}).best("c", pieces(1)) == 0


def test_bills_and_events_teach_it_over_a_restart(bundle_folder: Path, memory: Path) -> None:
    names = ["video", "video-plain", "video-app"]
    campaign = {"creatives": names, "rotation": "interaction"}
    shown: Counter[str] = Counter()
    for turn in range(2):
        config = ServeConfig(bundle=bundle_folder, state=memory, budget=1e5, guardrails=GuardrailConfig(slot_share=1.0))
        with open_bidder(config, ManualClock(NOW)) as bidder:
            bidder.rotation._random.seed(turn)
            app, desks = applications(bidder, config, URL)[0], Desks(bundle_folder, memory)
            for k in range(120):
                request = {"id": f"{turn}-{k}", "imp": [{"id": "1", "ext": HINTS}]}
                (bid,) = desks.ask(app, campaign, request, lost=False).bids
                if turn == 1:
                    shown[bid["crid"]] += 1
                    continue
                assert desks.notice(app, bid["burl"].replace("${AUCTION_PRICE}", "0.1")) == 204
                if bid["crid"] == "v-app":
                    assert desks.notice(app, bid["ext"]["bidpilot"]["event_url"] + "&e=like") == 204
    assert shown["v-app"] > 100
