"""The experiment that a bidder serves: where each request belongs, and how many have come to each arm."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from bidpilot.serving.experiments.assignment import Assignment
from bidpilot.serving.experiments.file import ExperimentFile, arm_campaign
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.restrictions.person import Person
from bidpilot.serving.served import ServedCampaign

if TYPE_CHECKING:
    from bidpilot.serving.auction import Opportunity
    from bidpilot.serving.campaign_day import CampaignDay


_LONGEST = 256  # characters of an id that are looked at


class Trial(msgspec.Struct, frozen=True, gc=False):
    """Where an experiment puts a request; one object for all requests of an arm."""

    arm: str
    experiment: str  # empty where it has ended: what is logged from then on is no part of it
    campaigns: frozenset[str]  # the arm's
    others: frozenset[str]  # those of the other arms: to them it is no auction


class Experiment:
    """One experiment of one bidder.

    Args:
        file: what it is.
        key: that users are hashed with.
        split: the campaigns that it splits, as they are served without it.
    """

    def __init__(self, file: ExperimentFile, key: bytes, split: Sequence[ServedCampaign] = ()) -> None:
        self.split = split
        self.file, self._assignment = file, Assignment(key, file.name, file.shares)
        self.arms = tuple(arm.name for arm in file.arms)
        self.names = {arm: frozenset(arm_campaign(c, arm) for c in file.campaigns) for arm in self.arms}
        self._all = frozenset[str]().union(*self.names.values())
        self._trials = [self._trial(arm, file.name) for arm in self.arms]
        self.requests: Counter[tuple[str, str]] = Counter()  # by arm, and by the kind of what they were assigned by
        self.ended_to: str | None = None  # the arm that has all users since it has ended; None while it runs

    def _trial(self, arm: str, experiment: str) -> Trial:
        return Trial(arm, experiment, self.names[arm], self._all - self.names[arm])

    @property
    def campaigns(self) -> frozenset[str]:
        """Names of the campaigns that arms are served as."""
        return self._all

    def assign(self, request: BidRequest, person: Person) -> Trial:
        """The arm of a request: of its user, else of its device; where neither may be known, of itself alone."""
        id, kind = assigned_by(request, person)
        trial = self._trials[self._assignment.arm(id)]
        if request.test != 1:
            self.requests[trial.arm, kind] += 1
        return trial

    def place(self, request: BidRequest, person: Person) -> Trial:
        """The arm that a request would have; it is not counted."""
        return self._trials[self._assignment.arm(assigned_by(request, person)[0])]

    def draw(self) -> Trial:
        """The arm of a request of which nothing is known."""
        return self._trials[self._assignment.arm(secrets.token_hex(8))]

    def end(self, to: str) -> None:
        """From now on all users belong to one arm, and nothing that is logged is part of the experiment."""
        self.ended_to = to
        self._trials = [self._trial(to, "")] * len(self.arms)


def assigned_by(request: BidRequest, person: Person) -> tuple[str, str]:
    """What a request is assigned by, and its kind: `user`, `device`, or `request` where no id is there or may be used.

    An id is hashed and forgotten: it is neither kept nor logged, nor is its hash.
    """
    id, kind = person.known or (request.id, "request")
    return id[:_LONGEST], kind


def in_its_arm(
    o: Opportunity, days: Mapping[str, CampaignDay], experiment: Experiment
) -> tuple[Opportunity, Mapping[str, CampaignDay]]:
    """An auction with its arm, and the days of campaigns to which it is one: not those of other arms."""
    trial = o.trial
    if trial is None:
        trial = experiment.draw()
        o = replace(o, trial=trial)
    others = trial.others
    return o, {name: day for name, day in days.items() if name not in others}
