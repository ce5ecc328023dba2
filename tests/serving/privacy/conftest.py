"""A server's folders after two days of two campaigns, with and without a key."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.privacy.keys import Key, new_key, read_key
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.told import Told

DAYS = ("2024-10-04", "2024-10-05")
CAMPAIGNS = ("autumn", "default")
SOURCES = (3, 5, 8)


@dataclass(frozen=True)
class Kept:
    """Where a server has kept what."""

    state: Path
    decisions: Path
    bundle: Path
    key_file: Path | None = None

    @property
    def key(self) -> Key | None:
        return read_key(self.key_file)

    @property
    def config(self) -> ServeConfig:
        return ServeConfig(bundle=self.bundle, state=self.state, decisions=self.decisions, key_file=self.key_file)


def serve_two_days(kept: Kept) -> Kept:
    """Bids, losses, bills, outcomes and refusals of two campaigns and three sources in four slots of each day."""
    clock = ManualClock(20_000 * DAY)
    with open_bidder(kept.config, clock) as bidder:
        for day in range(2):
            for slot in range(4):
                clock.move((20_000 + day) * DAY + slot * DAY / 48)
                for k, name in enumerate(CAMPAIGNS):  # one after the other, since the better one bids alone
                    asked = ServedCampaign(name=name, campaign=Campaign(budget=20.0), paused=slot % 2 == k)
                    bidder.put(asked, "test", ["paused"])
                bidder.tick()
                for k in range(12):
                    source = SOURCES[k % 3]
                    answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0, source=source))
                    if isinstance(answer, Bid):
                        if k % 2:
                            bidder.bill(answer.ticket, answer.amount / MICRO * 0.7, 0.0001)
                            bidder.outcome(answer.ticket, Told("like"))
                        else:
                            bidder.loss(answer.ticket, 0.5)
    return kept


@pytest.fixture(scope="session")
def masters(tmp_path_factory: pytest.TempPathFactory, bundle_folder: Path) -> Iterator[dict[str, Kept]]:
    """Served once, in memory where there is such a thing: each test has a copy."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        key_file = Path(name) / "key"
        new_key(key_file)
        plain = Kept(Path(name) / "s", Path(name) / "d", bundle_folder)
        encrypted = Kept(Path(name) / "es", Path(name) / "ed", bundle_folder, key_file)
        yield {"plain": serve_two_days(plain), "encrypted": serve_two_days(encrypted)}


def copied(master: Kept, within: Path) -> Kept:
    folder = within / ("plain" if master.key_file is None else "encrypted")
    folder.mkdir()
    shutil.copytree(master.state, folder / "s")
    shutil.copytree(master.decisions, folder / "d")
    key_file = None if master.key_file is None else Path(shutil.copy2(master.key_file, folder / "key"))
    return Kept(folder / "s", folder / "d", master.bundle, key_file)


@pytest.fixture
def plain(masters: dict[str, Kept], memory: Path) -> Kept:
    return copied(masters["plain"], memory)


@pytest.fixture
def encrypted(masters: dict[str, Kept], memory: Path) -> Kept:
    return copied(masters["encrypted"], memory)


@pytest.fixture(params=["plain", "encrypted"])
def kept(request: pytest.FixtureRequest, masters: dict[str, Kept], memory: Path) -> Kept:
    return copied(masters[request.param], memory)
