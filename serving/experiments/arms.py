"""What arms are served as: campaigns with a share of the money, and desks whose forecast has a share of the traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import BidpilotError, BundleMismatch, InvalidExperiment
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.deciders import Decider
from bidpilot.serving.desk import Desk, Origin
from bidpilot.serving.experiments.file import ArmEntry, ExperimentFile, arm_campaign
from bidpilot.serving.ledger.store import LedgerStore
from bidpilot.serving.planned import Planned
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.settings import in_force
from bidpilot.serving.source_book import SourceBook


def as_ordered(campaigns: Sequence[ServedCampaign], file: ExperimentFile, store: LedgerStore) -> list[ServedCampaign]:
    """The campaigns, those of the experiment with what operators have ordered of them: arms are made of that.

    Raises:
        InvalidExperiment: one of the experiment was deleted by an order.
        InvalidServing: an order cannot be read.
    """
    orders = {order.name: order for order in store.orders(0)}
    found = []
    for served in campaigns:
        ordered = in_force(served, orders.get) if served.name in file.campaigns else served
        if ordered is None:
            raise InvalidExperiment(
                f"the experiment {file.name} is of campaign {served.name!r}, which was deleted by an order. Serve "
                "without the experiment and put it again, or leave it out."
            )
        found.append(ordered)
    return found


def split(campaigns: Sequence[ServedCampaign], file: ExperimentFile) -> list[ServedCampaign]:
    """The campaigns with those of the experiment in arms: the same but for the name and a share of each budget.

    Raises:
        InvalidExperiment: a campaign is not served, cannot be split, or an arm would have another campaign's name.
    """
    names = {served.name for served in campaigns}
    unknown = [name for name in file.campaigns if name not in names]
    if unknown:
        raise InvalidExperiment(
            f"the experiment {file.name} is of campaign {unknown[0]!r}, which is not served; there are "
            f"{', '.join(sorted(names))}. Name one of them."
        )
    taken = [n for c in file.campaigns for a in file.arms if (n := arm_campaign(c, a.name)) in names]
    if taken:
        raise InvalidExperiment(f"an arm of {file.name} would be called {taken[0]} as a campaign is. Rename the arm.")
    found: list[ServedCampaign] = []
    for served in campaigns:
        found += [arm_of(served, arm) for arm in file.arms] if served.name in file.campaigns else [served]
    return found


def arm_of(served: ServedCampaign, arm: ArmEntry) -> ServedCampaign:
    """A campaign as one of its arms.

    Raises:
        InvalidExperiment: its flight has a total, which only one account can keep.
    """
    if served.flight is not None and served.flight.total is not None:
        raise InvalidExperiment(
            f"the flight of campaign {served.name} has a total, which is kept in one account and arms have one each. "
            "Leave the total out while the experiment runs, and give budgets of days."
        )
    name, share = arm_campaign(served.name, arm.name), arm.share
    if len(name) > 64:
        raise InvalidExperiment(f"the arm's campaign {name!r} has more than 64 characters. Shorten the arm's name.")
    planned = served.planned
    if planned is not None:
        days = tuple(day.model_copy(update={"budget": day.budget * share}) for day in planned.days)
        planned = Planned(instead_of=planned.instead_of * share, days=days)
    campaign = served.campaign.model_copy(update={"budget": served.campaign.budget * share})
    whole = served.model_dump() | {"name": name, "campaign": campaign, "planned": planned, "elsewhere": None}
    return ServedCampaign.model_validate(whole)


def bundles_of(file: ExperimentFile, bundle: Bundle) -> dict[str, Bundle]:
    """The bundle of each arm by its name, `bundle` where it has none of its own; each knows a share of the traffic.

    Raises:
        InvalidBundle, BundleMismatch: one cannot be served, or beside the served one.
    """
    found = {}
    for arm in file.arms:
        own = bundle if arm.bundle is None else load_bundle(arm.bundle)
        ours, theirs = bundle.manifest, own.manifest
        if (ours.segments, ours.slots) != (theirs.segments, theirs.slots):
            raise BundleMismatch(
                f"the bundle {arm.bundle} of arm {arm.name} has other segments or slots than the served one. Export "
                "both alike."
            )
        forecast = replace(own.forecast, auctions=own.forecast.auctions * arm.share)
        found[arm.name] = replace(own, forecast=forecast)
    return found


def deciders_of(
    file: ExperimentFile, bundles: Mapping[str, Bundle], planners: Mapping[str, Planner], desk: Desk
) -> dict[str, Decider]:
    """Who decides for the campaigns of the arms, by campaign; bundles and planners are by arm.

    Sources are remembered in common, alarms are told in common, and money is counted by the same ledger.
    """
    found = {}
    for arm in file.arms:
        bundle, planner = bundles[arm.name], planners[arm.name]
        book = desk.book
        if isinstance(book, SourceBook):
            own = book.of(bundle)
            own.memory, book = book.memory, own
        own_desk = replace(
            desk, planner=planner, shade=ShadingTable(planner), book=book, origin=Origin.of(bundle)
        )  # the digest is that of the bundle in its folder
        decider = Decider(own_desk, agent_of(bundle))
        for campaign in file.campaigns:
            found[arm_campaign(campaign, arm.name)] = decider
    return found


def check_plans(campaigns: Sequence[ServedCampaign], deciders: Mapping[str, Decider]) -> None:
    """Plan each arm's campaign once, so that what cannot be planned is known before anything is served.

    Raises:
        BundleMismatch: an arm's bundle cannot plan its campaign.
    """
    for served in campaigns:
        if served.name not in deciders:
            continue
        try:
            deciders[served.name].desk.planner.plan(CampaignBatch.repeat(served.campaign, 1))
        except BidpilotError as error:
            raise BundleMismatch(f"the bundle of {served.name} cannot plan it: {error}") from error
