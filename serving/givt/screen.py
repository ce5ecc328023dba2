"""The screen: refuses requests of general invalid traffic (GIVT, in the MRC's terms) before anything is priced.

Addresses and user agents are held against the lists whatever consent is told, as that keeps fraud out, and are kept
nowhere.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.givt.chain import Demand, against_chain, name_of
from bidpilot.serving.givt.lists import Lists
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.messages import UNREAD, BidRequest
from bidpilot.serving.reading.part import PartReader
from bidpilot.serving.restrictions.blocks import domain_of, with_parents

_REMEMBERED = 8192  # verdicts of user agents


class _Device(msgspec.Struct, gc=False):
    ip: str | None = None
    ipv6: str | None = None
    ua: str | None = None


_device = PartReader(_Device)


class Screen:
    """Refuses by the lists of a folder.

    Args:
        folder: of the lists; None: there are none.
        demand: what is asked of supply chains.

    Raises:
        InvalidServing: a list cannot be read.
    """

    def __init__(self, folder: Path | None, demand: Demand = Demand.any) -> None:
        self._folder, self._demand = folder, demand
        self._take(Lists() if folder is None else Lists.load(folder))

    @classmethod
    def of(cls, folder: Path | None, demand: Demand) -> Screen | None:
        """The screen; None where nothing is asked."""
        return None if folder is None and demand is Demand.any else cls(folder, demand)

    async def again(self) -> None:
        """Read the lists anew, beside the loop; where one cannot be read all stay as they are, and the log says so."""
        await asyncio.to_thread(self._again)

    def _again(self) -> None:
        if self._folder is None:
            return
        try:
            found = Lists.load(self._folder)
        except InvalidServing as error:
            LOGGER.warning("the lists %s were not taken: %s", self._folder, error)
            return
        self._take(found)
        LOGGER.info(f"lists of {self._folder}: {found.addresses.count} networks, {len(found.apps)} apps, "
                    f"{len(found.sites)} sites, {len(found.sellers) + len(found.ads)} files of sellers")  # fmt: skip

    def against(self, request: BidRequest) -> Refusal | None:
        """Why a request is refused; None where it is not."""
        lists, verdicts = self._held
        if lists.of_devices and (why := _of_device(request.device, lists, verdicts)) is not None:
            return why
        app, site = request.app, request.site
        if lists.apps and app is not None and app.bundle and _named(app.bundle, lists.apps):
            return Refusal.app
        if lists.sites and site is not None and _listed(name_of(site), lists.sites):
            return Refusal.site
        of_chains = lists.sellers or lists.ads or self._demand is not Demand.any
        return against_chain(request, lists, self._demand) if of_chains else None

    def _take(self, lists: Lists) -> None:
        # verdicts of user agents by a hash that this process alone makes: none is kept
        self._held: tuple[Lists, dict[int, bool]] = (lists, {})


def _named(bundle: str, apps: frozenset[str]) -> bool:
    return bundle == UNREAD or bundle.strip().lower() in apps


def _listed(site: str, sites: frozenset[str]) -> bool:
    return site == UNREAD or not sites.isdisjoint(with_parents(domain_of(site), "."))


def _of_device(raw: msgspec.Raw, lists: Lists, verdicts: dict[int, bool]) -> Refusal | None:
    device = _device(raw)
    if (device.ip and device.ip.strip() in lists.addresses) or (device.ipv6 and device.ipv6.strip() in lists.addresses):
        return Refusal.address
    if not device.ua or lists.agents is None:
        return None
    key = hash(device.ua)
    known = verdicts.get(key)
    if known is None:
        if len(verdicts) >= _REMEMBERED:
            verdicts.clear()
        known = verdicts[key] = lists.agents.found(device.ua)
    return Refusal.agent if known else None
