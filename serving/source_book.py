"""What all campaigns of a bidder know of sources: filters for their days, and one memory that outlives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidMemory
from bidpilot.bidding.traffic.detector import Detector, mean_interaction
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.privacy.forgotten import heed, heeded

FILE = "sources.npz"
"""Of the state folder."""


class Book(Protocol):
    """Makes the filters of a bidder's days, and is shown those of a day that is over."""

    def filter(self) -> TrafficFilter:
        """That of one pilot's day."""

    def learn(self, day: Sequence[TrafficFilter]) -> None:
        """Keep what the campaigns' filters of a day have found out."""


class SourceBook:
    """Makes the detector of each campaign's day, and keeps what a day has told in a small file.

    How much a publisher usually sends is known from the log that the bundle was trained on, or from days served before;
    a preset's sources are nobody's publishers. What is not known has no quota on its first day.

    Args:
        bundle: whose forecast days are held against.
        sources: clusters of publishers, and the pool, the last.
        folder: where the memory is kept.
        bidders: that share the traffic evenly; what one of them has seen counts once, not once for each.
        writes: whether this process keeps the file; of several on one folder only one does.

    Raises:
        InvalidMemory: the memory cannot be read.
    """

    def __init__(self, bundle: Bundle, sources: int, folder: Path, bidders: int = 1, writes: bool = True) -> None:
        forecast, told = bundle.forecast, bundle.forecast.source_share
        self._expected, self._interaction = forecast.auctions, mean_interaction(forecast)
        self._share, self.bidders = np.zeros(sources), bidders
        if told is not None and bundle.manifest.origin.publishers:
            self._share[: len(told)] = told
        self._folder, self._path, self._writes = folder, folder / FILE, writes
        self.memory = SourceMemory.load(self._path) if self._path.is_file() else SourceMemory.none((sources,))
        if len(self.memory.evidence) != sources:
            raise InvalidMemory(
                f"{self._path} remembers {len(self.memory.evidence)} sources, and {sources} are told apart now. Serve "
                "with the --sources of before, or delete the file: a day later it is back."
            )

    def of(self, bundle: Bundle) -> SourceBook:
        """The same of another bundle that tells as many sources apart."""
        return SourceBook(bundle, len(self._share), self._folder, self.bidders, self._writes)

    def filter(self) -> Detector:
        """The detector of one pilot's day."""
        return Detector(
            self._share,
            self._expected,
            1,
            self._interaction,
            memory=self.memory,
            retold=True,
            watchers=self.bidders,
        )

    def learn(self, day: Sequence[TrafficFilter]) -> None:
        """Keep what the campaigns of a day have found out: their outcomes are their own, the requests the same."""
        found = [one.found() for one in day if isinstance(one, Detector)]
        if not found:
            return
        evidence = np.sum([nats[0] for nats, _ in found], axis=0)
        requests = np.max([sent[0] for _, sent in found], axis=0)
        self.memory = heed(self._folder, self.memory.after(evidence, requests))
        if not self._writes:
            return
        try:
            self.memory.save(self._path)
            heeded(self._folder)
        except OSError as error:  # a new day begins all the same, with what is remembered here
            LOGGER.warning("%s cannot be written (%s): a restart forgets the day", self._path, error)
