"""Makes a bidder from its configuration."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.errors import BundleMismatch, InvalidExperiment, InvalidServing
from bidpilot.bidding.landscape.calendar import read_events
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.zone import zone_of
from bidpilot.serving.access import exchanges_of
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.calendar import Calendar, Clock, ManualClock, SteadyClock, date_of
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.creatives.sample import SAMPLE
from bidpilot.serving.deciders import Decider
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk, Origin
from bidpilot.serving.experiments.arms import as_ordered, bundles_of, check_plans, deciders_of, split
from bidpilot.serving.experiments.described import described
from bidpilot.serving.experiments.experiment import Experiment
from bidpilot.serving.experiments.file import ExperimentFile, read_experiment
from bidpilot.serving.experiments.money import begin_anew, rest_of_day
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.incidents.contacts import read_contacts
from bidpilot.serving.incidents.files import FOLDER
from bidpilot.serving.incidents.policy import read_policy
from bidpilot.serving.incidents.responses import Responses, folder_of
from bidpilot.serving.incidents.teller import Teller
from bidpilot.serving.ledger.keeper import Deliver, Keeper, at_once
from bidpilot.serving.ledger.machine import PAUSE, MachineStore
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import LedgerStore
from bidpilot.serving.place import ALONE, Place
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.privacy.keys import read_key
from bidpilot.serving.secret import secret, whole
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.source_book import SourceBook
from bidpilot.serving.state import State
from bidpilot.serving.watcher import Watcher


def open_bidder(
    config: ServeConfig,
    clock: Clock = time.time,
    deliver: Deliver = at_once,
    name: str | None = None,
    store: LedgerStore | None = None,
    place: Place = ALONE,
) -> Bidder:
    """The bidder of a configuration; close it after use.

    Without a `deliver` of its own it is wholly in the caller's thread: a call returns when it is durable. `name` is its
    own among those that share a store; None: the machine's with the state folder, which a restart has again. `store` is
    the ledger's; None: as the configuration says. `place`: which of several workers it is.

    Raises:
        InvalidBundle, BundleMismatch: the bundle cannot be served, or the shadow does not fit it.
        InvalidServing: the campaigns or the orders stored for them cannot be read or served.
        InvalidExperiment: the experiment cannot be read, or not be served with these campaigns.
        InvalidCalendar: the named events cannot be read.
        InvalidContacts: whom to tell of incidents cannot be read.
        InvalidIncident: the response policy cannot be read.
        InvalidMemory: the memory of sources cannot be read, or is of other sources.
        LedgerUnavailable: the state folder or Redis cannot be used.
        StateInUse: the state folder is being restored.
        InvalidKey, WrongKey, SealBroken: the key cannot be read, or is not that of the state.
    """
    opened: list[LedgerStore | State] = []
    try:
        return _open(config, clock, deliver, name, store, place, opened)
    except BaseException:
        for one in reversed(opened):
            one.close()
        raise


def _open(
    config: ServeConfig,
    clock: Clock,
    deliver: Deliver,
    name: str | None,
    store: LedgerStore | None,
    place: Place,
    opened: list[LedgerStore | State],
) -> Bidder:
    key = read_key(config.key_file)
    bundle = load_bundle(config.bundle)
    shadow = None if config.shadow is None else _shadow(bundle, config.shadow)
    file = None if config.experiment is None else read_experiment(config.experiment)
    campaigns = read_campaigns(config, bundle)
    arms = {} if file is None else bundles_of(file, bundle)
    planner = planner_of(config, bundle)
    sources = _sources(config, [bundle, *arms.values()])
    if not isinstance(clock, ManualClock):
        clock = SteadyClock(clock)
    store = _store(config, clock, place) if store is None else store
    opened.append(store)
    state = State(config.state / "state.sqlite", deliver, place.first, key)
    opened.append(state)
    book, bidders = None, config.bidders * place.of
    if config.traffic_filter:
        book = SourceBook(bundle, sources, config.state, watchers(bidders, store), place.first)
    desk = Desk(
        planner=planner,
        shade=ShadingTable(planner),
        keeper=Keeper(store, deliver, pause=0.0 if place.ledger is None else PAUSE),
        state=state,
        clock=clock,
        guardrails=config.guardrails,
        sources=sources,
        bidders=bidders,
        expiry=config.bid_expiry,
        grace=config.grace,
        win_hold=config.win_hold,
        settle_on_win=_settling_on_win(config),
        reconciliation=config.reconciliation,
        book=book,
        origin=Origin.of(bundle),
        timezone=config.timezone,
        watcher=Watcher(bundle.bands, planner.forecast, watches=place.first),
    )
    decisions = None
    if config.decisions is not None:
        decisions = DecisionLog(config.decisions, f"{int(time.time())}-{os.getpid()}", bundle.manifest.segments, key)
    calendar = Calendar(bundle.manifest.slots, zone_of(config.timezone))
    campaigns, experiment = _in_arms(config, file, arms, desk, campaigns, partial(_today, desk, calendar.slots))
    if file is not None and decisions is not None:
        decisions.describe(*described(file, arms))
    name = name or f"{socket.gethostname()}:{config.state.resolve()}{place}"
    responses = _responses(config, place)
    bidder = Bidder(bundle, desk, calendar, campaigns, shadow, decisions, name, responses, experiment)
    if deliver is not at_once:
        desk.keeper.start()
        desk.state.start()
    return bidder


def _sources(config: ServeConfig, bundles: Sequence[Bundle]) -> int:
    """Clusters of publishers and the pool, which is the last; every bundle that decides here has as many."""
    found = {clusters(config, bundle.forecast, bundle.manifest.origin.publishers) + 1 for bundle in bundles}
    if len(found) > 1:
        raise BundleMismatch(
            f"the bundles of the arms tell {' and '.join(str(n - 1) for n in sorted(found))} clusters of publishers "
            "apart. Export them of logs that tell as many apart."
        )
    return found.pop()


def _in_arms(
    config: ServeConfig,
    file: ExperimentFile | None,
    bundles: Mapping[str, Bundle],
    desk: Desk,
    campaigns: Sequence[ServedCampaign],
    day_of: Callable[[ServedCampaign], date],
) -> tuple[list[ServedCampaign], tuple[Experiment, Mapping[str, Decider]] | None]:
    """The campaigns, those of an experiment in arms, with what is left of today's money; and who decides for arms."""
    store = desk.keeper.store
    if file is None:
        return rest_of_day(campaigns, None, store, day_of), None
    whole = [served for served in campaigns if served.name in file.campaigns]
    arms = split(as_ordered(campaigns, file, store), file)
    begin_anew(file, store, desk.clock())
    arms = rest_of_day(arms, file, store, day_of)
    planners = {name: planner_of(config, bundle) for name, bundle in bundles.items()}
    deciders = deciders_of(file, bundles, planners, desk)
    check_plans(arms, deciders)
    experiment = Experiment(file, _experiment_key(config, file).encode(), whole)
    for arm in file.arms:
        desk.watcher.shares |= dict.fromkeys(experiment.names[arm.name], arm.share)
    return arms, (experiment, deciders)


def _experiment_key(config: ServeConfig, file: ExperimentFile) -> str:
    if file.key_file is None:
        return secret(config, "experiment.key", "BIDPILOT_EXPERIMENT_KEY")
    try:
        return whole(file.key_file.read_text(), str(file.key_file), "Write a secret into it")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidExperiment(
            f"the key {file.key_file} of experiment {file.name} cannot be read ({error}). Give another file, or leave "
            "key_file out."
        ) from error


def _today(desk: Desk, slots: int, served: ServedCampaign) -> date:
    """The day that a campaign's clock is in."""
    return date_of(Calendar(slots, zone_of(desk.zone_of(served))).at(desk.clock()).day)


def _responses(config: ServeConfig, place: Place) -> Responses:
    """How a bidder responds to incidents; of several workers the first tells people, and the others follow it."""
    policy, own = read_policy(config.responses), folder_of(config.state, place.index)
    if not place.first:
        return Responses(policy, own, follows=folder_of(config.state))
    contacts = None if config.contacts is None else Teller(read_contacts(config.contacts))
    copies = None if config.decisions is None else config.decisions / FOLDER
    return Responses(policy, own, contacts, copies=copies)


def watchers(bidders: int, store: LedgerStore) -> int:
    """How often a filter of traffic is told what was seen once: where a store is shared each bidder tells its own."""
    return 1 if store.shared else bidders


def planner_of(config: ServeConfig, bundle: Bundle) -> Planner:
    """Plans campaigns under the bundle's forecast, with the named events of the configuration.

    Raises:
        InvalidCalendar: the named events cannot be read.
    """
    if config.calendar is None:
        return Planner(bundle.forecast)
    return Planner(bundle.forecast.with_events(read_events(config.calendar)))


def _settling_on_win(config: ServeConfig) -> frozenset[str | None]:
    """Exchanges whose win notices are their bills; None among them: any that is not told apart."""
    on: dict[str | None, str] = {
        name: one.settle_on or config.settle_on for name, one in exchanges_of(config.exchanges).items()
    }
    return frozenset(name for name, notice in (on | {None: config.settle_on}).items() if notice == "win")


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
        return [ServedCampaign(name="default", campaign=default, creatives=(SAMPLE,))]
    try:
        entries = json.loads(config.campaigns.read_text())
        base = default.model_dump(mode="json")
        found = [ServedCampaign.model_validate(e | {"campaign": base | e.get("campaign", {})}) for e in entries]
    except (OSError, ValueError, TypeError, AttributeError, ValidationError, RecursionError) as error:
        raise InvalidServing(
            f'{config.campaigns} is no list of campaigns ({error}). Write [{{"name": ..., "campaign": {{...}}}}].'
        ) from error
    both = [c.name for c in found if c.creatives and c.creative.given]
    if both:
        raise InvalidServing(
            f"{config.campaigns} gives {', '.join(both)} a creative and creatives. Leave `creative` out: it is the "
            "form of before, and would stand alone."
        )
    twice = [name for name, count in Counter(c.name for c in found).items() if count > 1]
    if twice:
        raise InvalidServing(
            f"{config.campaigns} has {', '.join(twice)} more than once. Give each campaign its own name."
        )
    silent = [c.name for c in found if not c.creatives and not c.creative.given]
    if silent:
        LOGGER.warning(f"nothing to show, and so no bids (no_creative): give creatives to {', '.join(silent)}")
    return found


def _store(config: ServeConfig, clock: Clock, place: Place) -> LedgerStore:
    if place.ledger is not None:
        return MachineStore(place.ledger)
    if config.redis is None:
        return SqliteStore(config.state / "ledger.sqlite", clock)
    # redis loads only where a budget is shared
    from bidpilot.serving.ledger.redis import RedisStore

    store = RedisStore(config.redis, clock=clock if config.clock == "manual" else None)
    if not store.durable:
        LOGGER.warning("Redis does not write each change to disk: set appendonly yes and appendfsync always")
    return store


def _shadow(bundle: Bundle, folder: Path) -> Bundle:
    shadow = load_bundle(folder)
    ours, theirs = bundle.manifest, shadow.manifest
    if (ours.segments, ours.slots) != (theirs.segments, theirs.slots):
        raise BundleMismatch(f"the shadow {folder} has other segments or slots than the bundle. Export both alike.")
    return shadow
