"""Which plays a game day is made of: three of the whole day, and two for each fault alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bidpilot.bidding.watch.bands import Bands
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.serving.bidder import Bidder
from bidpilot.training.alerts.play import learn_bands
from tests.game_day.day import draw, with_faults
from tests.game_day.faults import FAULTS, Fault
from tests.game_day.guard import Guard, OnDuty
from tests.game_day.verdict import Day
from tests.game_day.walk import walk
from tests.serving.conftest import write_controller_bundle

_TRAINING_DAYS = 1024


@cache
def bands() -> Bands:
    """What alerts hold slots against, of training days."""
    return learn_bands(preset_market(), preset_forecast(), preset_campaign(), _TRAINING_DAYS, 0)


def guarded(bidder: Bidder) -> Guard:
    """Alerts and responses are on."""
    return OnDuty(bidder, bands())


def play(folder: Path, seed: int, faults: tuple[Fault, ...] = FAULTS) -> Day:
    """The three plays of one day, in a folder that is not there yet."""
    bundle = write_controller_bundle(folder / "bundle")
    day = draw(seed)
    faulty = with_faults(day, faults, seed)
    return Day(
        faults,
        walk("no faults", bundle, folder / "clean", day, (), None),
        walk("no guard", bundle, folder / "unguarded", faulty, faults, None),
        walk("guard", bundle, folder / "guarded", faulty, faults, guarded),
    )


def alone(folder: Path, seed: int) -> list[Day]:
    """The same day with each fault as its only one."""
    return [play(folder / f"{fault.name} alone", seed, (fault,)) for fault in FAULTS]
