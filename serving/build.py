"""Makes a bidder from its configuration."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

from pydantic import ValidationError

from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.errors import BundleMismatch, InvalidServing
from bidpilot.bidding.landscape.calendar import read_events
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.calendar import Calendar, Clock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.keeper import Deliver, Keeper, at_once
from bidpilot.serving.ledger.machine import MachineStore
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import LedgerStore
from bidpilot.serving.place import ALONE, Place
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.source_book import SourceBook
from bidpilot.serving.state import State

_HOUR = 3600.0


def open_bidder(
    config: ServeConfig, clock: Clock = time.time, deliver: Deliver = at_once, place: Place = ALONE
) -> Bidder:
    """The bidder of a configuration; close it after use.

    Without a `deliver` of its own it is wholly in the caller's thread: a call returns when it is durable. `place`:
    which of several workers it is of.

    Raises:
        InvalidBundle, BundleMismatch: the bundle cannot be served, or the shadow does not fit it.
        InvalidServing: the campaigns cannot be read.
        InvalidCalendar: the named events cannot be read.
        InvalidMemory: the memory of sources cannot be read, or is of other sources.
        LedgerUnavailable: the state folder or Redis cannot be used.
    """
    bundle = load_bundle(config.bundle)
    shadow = None if config.shadow is None else _shadow(bundle, config.shadow)
    campaigns = read_campaigns(config, bundle)
    forecast = bundle.forecast if config.calendar is None else bundle.forecast.with_events(read_events(config.calendar))
    planner = Planner(forecast)
    sources = clusters(config, bundle.forecast, bundle.manifest.origin.publishers) + 1  # the pool is one more
    bidders = config.bidders * place.of
    book = SourceBook(bundle, sources, config.state, bidders, place.first) if config.traffic_filter else None
    keeper = Keeper(_store(config, clock, place), deliver)
    desk = Desk(
        planner=planner,
        shade=ShadingTable(planner),
        keeper=keeper,
        state=State(config.state / "state.sqlite", place.first),
        clock=clock,
        guardrails=config.guardrails,
        sources=sources,
        bidders=bidders,
        expiry=config.bid_expiry,
        grace=config.grace,
        win_hold=config.win_hold,
        settle_on_win=frozenset([""] if config.settle_on == "win" else []),
        reconciliation=config.reconciliation,
        book=book,
    )
    decisions = None
    if config.decisions is not None:
        decisions = DecisionLog(config.decisions, f"{int(time.time())}-{os.getpid()}", bundle.manifest.segments)
    calendar = Calendar(bundle.manifest.slots, config.utc_offset * _HOUR)
    bidder = Bidder(bundle, desk, calendar, campaigns, shadow, decisions)
    if deliver is not at_once:
        keeper.start()
    return bidder


def clusters(config: ServeConfig, forecast: Forecast, publishers: bool = False) -> int:
    """Clusters that publishers are told apart by: at least as many as a log's are, whose last may be the pool.

    Raises:
        InvalidServing: a log of `publishers` tells more apart: its shares would be read at other publishers' clusters.
    """
    told = forecast.source_share
    if told is None or len(told) <= config.sources + 1:
        return config.sources
    if publishers and config.traffic_filter:
        raise InvalidServing(
            f"the log that the bundle was trained on tells {len(told) - 1} clusters of publishers apart, and this "
            f"server {config.sources}: it would read their shares at others' clusters. Serve with --sources "
            f"{len(told) - 1}, or with --no-traffic-filter."
        )
    return len(told)


def read_campaigns(config: ServeConfig, bundle: Bundle) -> list[ServedCampaign]:
    """The campaigns of `config.campaigns`, or the bundle's default one.

    In the file a campaign's fields that are left out are the bundle's.

    Raises:
        InvalidServing: the file cannot be read.
    """
    default = bundle.manifest.campaign
    if config.budget is not None:
        default = default.model_copy(update={"budget": config.budget})
    if config.campaigns is None:
        return [ServedCampaign(name="default", campaign=default)]
    try:
        entries = json.loads(config.campaigns.read_text())
        base = default.model_dump(mode="json")
        return [ServedCampaign.model_validate(e | {"campaign": base | e.get("campaign", {})}) for e in entries]
    except (OSError, ValueError, TypeError, AttributeError, ValidationError) as error:
        raise InvalidServing(
            f'{config.campaigns} is no list of campaigns ({error}). Write [{{"name": ..., "campaign": {{...}}}}].'
        ) from error


def secret(config: ServeConfig, name: str, variable: str) -> str:
    """A secret from the environment, or one made once and kept in the state folder, readable by its owner alone."""
    given = os.environ.get(variable, "")
    if given:
        return given
    path: Path = config.state / name
    config.state.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        made = secrets.token_urlsafe(32)
        file.write(made)
    return made


def _store(config: ServeConfig, clock: Clock, place: Place) -> LedgerStore:
    if place.ledger is not None:
        return MachineStore(place.ledger)
    if config.redis is None:
        return SqliteStore(config.state / "ledger.sqlite", clock)
    if config.clock == "manual":
        raise InvalidServing("a shared ledger goes by Redis's own clock: use --clock wall with --redis.")
    # redis loads only where a budget is shared
    from bidpilot.serving.ledger.redis import RedisStore

    store = RedisStore(config.redis)
    if not store.durable:
        LOGGER.warning("Redis does not write each change to disk: set appendonly yes and appendfsync always")
    return store


def _shadow(bundle: Bundle, folder: Path) -> Bundle:
    shadow = load_bundle(folder)
    ours, theirs = bundle.manifest, shadow.manifest
    if (ours.segments, ours.slots) != (theirs.segments, theirs.slots):
        raise BundleMismatch(f"the shadow {folder} has other segments or slots than the bundle. Export both alike.")
    return shadow
