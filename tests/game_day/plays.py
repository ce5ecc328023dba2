"""Which plays a game day is made of: three of the whole day, and two for each fault alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bidpilot.bidding.bundle import BANDS_FILE, load_bundle, write_manifest
from bidpilot.bidding.watch.bands import Bands
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.training.alerts.play import learn_bands
from tests.game_day.day import draw, with_faults
from tests.game_day.faults import FAULTS, Fault
from tests.game_day.guard import OnDuty
from tests.game_day.verdict import Day
from tests.game_day.walk import Played, walk
from tests.serving.conftest import write_controller_bundle

_TRAINING_DAYS = 1024


@cache
def bands() -> Bands:
    """What alerts hold slots against, of training days."""
    return learn_bands(preset_market(), preset_forecast(), preset_campaign(), _TRAINING_DAYS, 0)


@dataclass(frozen=True)
class Bundles:
    """One policy with bands and without, so that its days are watched or not."""

    watched: Path
    unwatched: Path

    @classmethod
    def written(cls, folder: Path) -> Bundles:
        """Both, in a folder."""
        made = cls(*(write_controller_bundle(folder / name) for name in ("watched", "unwatched")))
        bands().save(made.watched / BANDS_FILE)
        write_manifest(made.watched, load_bundle(made.unwatched).manifest)
        return made


def play(bundles: Bundles, folder: Path, seed: int, faults: tuple[Fault, ...] = FAULTS) -> Day:
    """The three plays of one day, with their state in a folder."""
    folder.mkdir(parents=True)
    day = draw(seed)
    faulty = with_faults(day, faults, seed)
    return Day(
        faults,
        walk("no faults", bundles.unwatched, folder / "clean", day, (), None),
        walk("no guard", bundles.unwatched, folder / "unguarded", faulty, faults, None),
        walk("guard", bundles.watched, folder / "guarded", faulty, faults, OnDuty),
    )


def alone(bundles: Bundles, folder: Path, seed: int) -> list[Day]:
    """The same day with each fault as its only one."""
    return [play(bundles, folder / f"{fault.name} alone", seed, (fault,)) for fault in FAULTS]


def honest(bundles: Bundles, folder: Path, seed: int, start: float) -> tuple[Played, Played]:
    """An honest day with the guard and without; the folder is that of the days before."""
    folder.mkdir(parents=True, exist_ok=True)
    day = draw(seed)
    return (
        walk("guard", bundles.watched, folder / "guarded", day, (), OnDuty, start=start, orders=False),
        walk("no guard", bundles.unwatched, folder / "unguarded", day, (), None, start=start, orders=False),
    )
