"""What administration shows of the experiment that is served, and what may be ordered of it.

GET  /admin/experiment          arms with their shares, bundles, requests and money
POST /admin/experiment/stop     {"to": ARM}: all users and the money that is left to one arm, for good
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from bidpilot.bidding.errors import InvalidExperiment, LedgerUnavailable
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.experiments.experiment import Experiment
from bidpilot.serving.experiments.file import arm_campaign, whole_campaign
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.orders import Pending

_PATIENCE = 5.0  # seconds that the ledger may take to say what the other arms have spent
_NONE = "no experiment is served. Start the server with --experiment FILE."
_OF_ALL = ("pause", "resume", "budget")
_OF_ONE = ("pause", "resume")


class _To(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /admin/experiment/stop."""

    to: str


def shown(bidder: Bidder) -> dict[str, Any]:
    """The experiment as this bidder knows it.

    Raises:
        InvalidExperiment: none is served.
    """
    experiment = bidder.experiment
    if experiment is None:
        raise InvalidExperiment(_NONE)
    file = experiment.file
    return {
        "name": file.name,
        "campaigns": list(file.campaigns),
        "control": file.control,
        "ended_to": experiment.ended_to,
        "arms": {
            arm.name: {
                "share": arm.share,
                "requests": {by: n for (name, by), n in sorted(experiment.requests.items()) if name == arm.name},
                "campaigns": {
                    name: _money(bidder, name) for name in sorted(experiment.names[arm.name]) if name in bidder.days
                },
            }
            for arm in file.arms
        },
    }


def _money(bidder: Bidder, name: str) -> dict[str, Any]:
    day = bidder.days[name]
    state = day.wallet.state
    money = {"budget": bidder.desk.budgets.on(day.served, day.moment)}
    if state is not None:
        money |= {"settled": state.settled, "held": state.held}
    origin = day.desk.origin
    return {part: amount / MICRO for part, amount in money.items()} | {"bundle": origin.digest, "run": origin.run}


async def stop(bidder: Bidder, by: str, body: bytes) -> list[Pending]:
    """Stop the experiment as the body says; the orders that do so.

    Raises:
        InvalidExperiment: none is served, or it has no such arm.
        LedgerUnavailable: users have one arm now, and the ledger does not say what is left for it: ask again.
        msgspec.MsgspecError: the body is none.
    """
    to = msgspec.json.decode(body, type=_To).to
    if bidder.ending is None:
        raise InvalidExperiment(_NONE)
    waiting: asyncio.Future[list[Pending] | None] = asyncio.get_running_loop().create_future()

    def done(given: list[Pending] | None) -> None:
        if not waiting.done():
            waiting.set_result(given)

    bidder.ending.stop(to, by, done)
    try:
        given = await asyncio.wait_for(waiting, _PATIENCE)
    except TimeoutError:
        given = None
    if given is None:
        raise LedgerUnavailable(
            f"all users belong to {to} now and the other arms are paused, but the ledger does not say what they have "
            f"spent, so that their money has not moved. Send this again."
        )
    return given


def parts(experiment: Experiment | None, name: str, action: str) -> dict[str, float]:
    """The campaigns that an action on a campaign reaches, with their shares of an amount: itself, or all its arms.

    Raises:
        InvalidExperiment: it would change one arm alone while they are compared, or the campaign while it is split.
    """
    if experiment is None or (name not in experiment.campaigns and name not in experiment.file.campaigns):
        return {name: 1.0}
    file, to = experiment.file, experiment.ended_to
    whole, arm = (name, "") if name in file.campaigns else (whole_campaign(name), name.rpartition(".")[2])
    if not arm and action in _OF_ALL:
        return {
            arm_campaign(name, one.name): one.share if to is None else 1.0
            for one in file.arms
            if to in (None, one.name)
        }
    if arm and (arm == to if to is not None else action in _OF_ONE):
        return {name: 1.0}
    if to is not None:
        raise InvalidExperiment(
            f"the experiment {file.name} has ended, and of {whole} only {arm_campaign(whole, to)} goes on. Order it of "
            "that."
        )
    raise InvalidExperiment(
        f"{name} takes part in the experiment {file.name}, whose arms must differ in their bundles alone. Pause or "
        f"resume it, change the budget of {whole} for all arms, or stop the experiment: POST /admin/experiment/stop."
    )


def kept_by(experiment: Experiment | None, name: str) -> str | None:
    """The campaign that an order is one of, too, so that it holds once the experiment is served no more; None: itself.

    It is the campaign as it is without arms, where the order is of all of it: of one arm alone it ends with the arm.
    """
    if experiment is None:
        return None
    if name in experiment.file.campaigns:
        return name
    to = experiment.ended_to
    return whole_campaign(name) if to is not None and name in experiment.names[to] else None
