"""Another bundle for a running bidder, between two slots: no reservation, no statistics and no request is lost.

A bundle is read and checked beside the bidder's thread. What fails changes nothing. What passes decides every day that
begins from then on; each day that runs is handed over when its slot ends, to pilots that have played its slots again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bidpilot.agents.acting.agent import Agent
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import BidpilotError, BundleMismatch, InvalidBundle, InvalidServing, InvalidZone
from bidpilot.serving import replacing
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import clusters, planner_of
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.desk import Desk, Origin
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.source_book import SourceBook
from bidpilot.serving.successor import Successor, prepare

_TRIES = 4  # slots that may end while one campaign's day is played again
_BREATH = 0.002  # seconds between two steps of the work beside the bidder's thread, in which that one goes on


@dataclass(frozen=True)
class Coming:
    """A bundle that has passed its checks."""

    path: Path
    bundle: Bundle
    desk: Desk
    agent: Agent


class Swap:
    """Brings other bundles into one bidder.

    Args:
        bidder: whose bundle it is.
        config: how it was started; the path of its bundle is what `again` reads until another has come.
    """

    def __init__(self, bidder: Bidder, config: ServeConfig) -> None:
        self._bidder, self._config = bidder, config
        self.path = config.bundle
        self._busy = False

    @property
    def _kept(self) -> frozenset[str]:
        """Campaigns that keep their bundles: those of an experiment's arms."""
        experiment = self._bidder.experiment
        return frozenset() if experiment is None else experiment.campaigns

    async def begin(self, folder: Path) -> dict[str, Any]:
        """Read a bundle beside the loop, let it take over when the slot ends; what has been prepared.

        Raises:
            InvalidBundle, BundleMismatch: it cannot be served here; the old one goes on.
            InvalidServing: another one is being prepared.
        """
        if self._busy:
            raise InvalidServing(f"the bundle {self.path} or another is being prepared. Ask again when that is done.")
        self._busy = True
        try:
            coming = await asyncio.to_thread(self.load, folder)
            self._accept(coming)
            for name in list(self._bidder.days):
                await self._hand_over(name, coming)
        except BidpilotError as error:
            self._bidder.events.record(Cause.bundle_refused, str(error))
            raise
        finally:
            self._busy = False
        return self._prepared(coming)

    async def again(self) -> None:
        """Read the bundle's path anew, as SIGHUP asks for; what is wrong with it is an event."""
        try:
            await self.begin(self.path)
        except BidpilotError as error:
            LOGGER.warning("the bundle %s was not taken: %s", self.path, error)

    def now(self, folder: Path) -> dict[str, Any]:
        """As `begin`, all in the caller's thread: for a bidder in the caller's own process."""
        coming = self.load(folder)
        self._accept(coming)
        for day in [day for name, day in self._bidder.days.items() if name not in self._kept]:
            self._take(day, prepare(day, coming.desk, coming.agent, self._bidder.shadow), coming)
        return self._prepared(coming)

    def load(self, folder: Path) -> Coming:
        """Read a bundle and hold it against what is served; nothing of the bidder is changed, in whatever thread.

        Raises:
            InvalidBundle, BundleMismatch, InvalidZone: it cannot be served here.
        """
        try:
            return self._load(folder)
        except (InvalidBundle, BundleMismatch, InvalidZone):
            raise
        except Exception as error:  # whatever a file holds, the bidder goes on with what it has
            raise InvalidBundle(f"{folder} cannot be served here ({type(error).__name__}: {error}).") from error

    def state(self) -> dict[str, Any]:
        """Which bundle decides, which one is to take over when the slot ends, and for how many campaigns each does."""
        origins = origins_of(self._bidder)
        newest = self._bidder.desk.origin
        older = [origin for origin, _ in origins.most_common() if origin != newest]
        live = older[0] if older else newest
        return {
            "live": {"digest": live.digest, "run": live.run},
            "coming": {"digest": newest.digest, "run": newest.run} if older else None,
            "path": str(self.path),
            "campaigns": {origin.digest: count for origin, count in origins.items()},
        }

    # --- steps -----------------------------------------------------------------------------------

    def _load(self, folder: Path) -> Coming:
        bundle, desk, config = load_bundle(folder), self._bidder.desk, self._config
        agent = agent_of(bundle)
        ours, theirs = self._bidder.bundle.manifest, bundle.manifest
        if (ours.segments, ours.slots) != (theirs.segments, theirs.slots):
            raise BundleMismatch(f"{folder} has other segments or slots than the served bundle: restart for it.")
        sources = clusters(config, bundle.forecast, theirs.origin.publishers) + 1
        if sources != desk.sources:
            raise BundleMismatch(
                f"{folder} tells {sources - 1} clusters of publishers apart, and the bundle that is served "
                f"{desk.sources - 1}: restart for it."
            )
        planner, coming = planner_of(config, bundle), replace(desk, origin=Origin.of(bundle))
        shade = ShadingTable(planner)
        shade(planner.forecast.landscape.mean_price)  # fitted here, and not when the first auction comes
        for name, served in self._bidder.served.items():
            if name in self._kept:
                continue
            _breathe()
            try:
                planner.plan(CampaignBatch.repeat(served.campaign, 1))
            except BidpilotError as error:
                raise BundleMismatch(f"{folder} cannot plan the campaign {name}: {error}") from error
            coming.zone_of(served)
        book = desk.book.of(bundle) if isinstance(desk.book, SourceBook) else desk.book
        return Coming(folder, bundle, replace(coming, planner=planner, shade=shade, book=book), agent)

    def _accept(self, coming: Coming) -> None:
        before, after = self._bidder.desk.book, coming.desk.book
        if isinstance(before, SourceBook) and isinstance(after, SourceBook):
            after.memory = before.memory
        self._bidder.desk.watcher.change(coming.bundle.bands, coming.desk.forecast)
        self._bidder.swap(coming.bundle, coming.desk, coming.agent)
        self.path = coming.path
        self._bidder.events.record(Cause.bundle_swapped, f"{coming.desk.origin.digest} of run {coming.desk.origin.run}")

    async def _hand_over(self, name: str, coming: Coming) -> None:
        """Give a campaign's running day its successor; one whose slot ended meanwhile is played again."""
        for _ in range(_TRIES):
            day = self._bidder.days.get(name)
            if name in self._kept or day is None or day.desk is coming.desk:
                return
            shadow = self._bidder.shadow
            try:
                found = await asyncio.to_thread(prepare, day, coming.desk, coming.agent, shadow, _breathe)
            except Exception as error:  # this campaign goes on as it is, and begins its next day with the new bundle
                self._bidder.events.record(Cause.bundle_refused, f"{name}: {type(error).__name__}: {error}")
                return
            if self._take(day, found, coming):
                return

    def _take(self, day: CampaignDay, found: Successor, coming: Coming) -> bool:
        running = self._bidder.days.get(day.served.name) is day and self._bidder.desk is coming.desk
        if not running or not day.closed or found.pilot.slot != day.slot:
            found.close()
            return False
        if day.successor is not None:
            day.successor.close()
        day.successor = found
        return True

    def _prepared(self, coming: Coming) -> dict[str, Any]:
        bidder, days = self._bidder, self._bidder.days
        waiting = [day for name, day in days.items() if name not in self._kept and day.desk is not coming.desk]
        moment = bidder.calendar.at(bidder.moment.end) if waiting else bidder.moment
        return {
            "prepared": all(day.successor is not None for day in waiting),
            "from_slot": moment.slot,
            "date": moment.date,
            "digest": coming.desk.origin.digest,
            "run": coming.desk.origin.run,
        }


async def answer(swap: Swap, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """GET and POST of /admin/bundle: status and body.

    Raises:
        MsgspecError, BidpilotError: what is asked for cannot be.
    """
    return await replacing.answer(swap, method, body, done=202)


def origins_of(bidder: Bidder) -> Counter[Origin]:
    """Running days by the bundle that decides them."""
    found = Counter(day.desk.origin for day in bidder.days.values())
    return found or Counter([bidder.desk.origin])


def _breathe() -> None:
    time.sleep(_BREATH)
