"""Errors for callers. Each message states the cause, the value and the remedy.

None derives from ValueError, so that pydantic lets them through as they are.
"""

from typing import NamedTuple

from bidpilot.bidding.errors.base import BidpilotError as BidpilotError
from bidpilot.bidding.errors.logs import *  # noqa: F403  # callers import them from here


class InvalidCampaign(BidpilotError):
    """Raised when a campaign's budget, value or limits are not usable."""


class UnknownChannel(InvalidCampaign):
    """Raised when a campaign caps a channel that the forecast does not have."""


class NoTailContent(InvalidCampaign):
    """Raised when a campaign asks for a share of long-tail content where no segment holds any."""


class Conflict(NamedTuple):
    """One constraint that takes part in a conflict."""

    name: str
    bound: float  # in its own unit
    needed: float | None  # the nearest bound at which all hold together; None where this one alone cannot mend it


class InfeasibleCampaign(BidpilotError):
    """Raised when no spending meets all of a campaign's constraints; names those that conflict."""

    def __init__(self, message: str, conflicts: tuple[Conflict, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class SolverUnavailable(BidpilotError):
    """Raised when a solver that is needed is not installed."""


class SolverFailed(BidpilotError):
    """Raised when a program's solver and its fallback both fail."""


class PlanMissesConstraint(SolverFailed):
    """Raised when a plan that a solver calls optimal misses a constraint when held against it in its own unit."""


class InvalidPreference(BidpilotError):
    """Raised when a preference is not a distribution over the three KPIs."""


class ZeroIdealPoint(BidpilotError):
    """Raised when the ideal point is zero for a KPI with a positive preference."""


class InvalidLandscape(BidpilotError):
    """Raised when a bid landscape or forecast is empty or holds unusable numbers."""


class InvalidCalendar(BidpilotError):
    """Raised when a calendar file cannot be read, or an event in it is not usable."""


class InvalidAction(BidpilotError):
    """Raised when an action has the wrong shape or is not finite."""


class InvalidGate(BidpilotError):
    """Raised when a gate's multipliers or quotas are out of range, or do not fit the rows and sources they are for."""


class InvalidMemory(BidpilotError):
    """Raised when what is remembered of sources cannot be read, is not finite, or is of other sources."""


class InvalidMarket(BidpilotError):
    """Raised when a market's parameters are out of range, zero slots among them."""


class InvalidConfig(BidpilotError):
    """Raised when a configuration has an unknown key or a value out of range."""


class UnknownAgent(BidpilotError):
    """Raised when an agent's name is not one of those known."""


class UnknownSuite(BidpilotError):
    """Raised when a suite is neither a known name nor a log's folder."""


class UnknownVariant(BidpilotError):
    """Raised when a variant to ablate is not one of those known."""


class RunNotFound(BidpilotError):
    """Raised when no MLflow run of the kind has the id or name asked for, or none has finished."""


class AmbiguousRun(BidpilotError):
    """Raised when the name of a run, or the beginning of an id, is that of several; lists them."""


class PolicyMismatch(BidpilotError):
    """Raised when a policy's features, segments or slots do not fit the market."""


class ForecastMismatch(BidpilotError):
    """Raised when it is not known which training's forecast a log is to be played under; lists what there is."""


class CheckpointMismatch(BidpilotError):
    """Raised when a run cannot be resumed: no whole checkpoint, or its market has changed."""


class TrackingError(BidpilotError):
    """Raised when the MLflow store cannot be reached, or is given what it cannot hold."""


class UnknownLaw(BidpilotError):
    """Raised when a reference that is told a market's law is asked for where nobody knows it."""


class NoLimit(BidpilotError):
    """Raised when the limit of what can be reached is asked for on a suite that the bound does not hold for."""


class NotAMarket(BidpilotError):
    """Raised when a folder holds no calibrated market, or one that cannot be read."""


class InvalidProtocol(BidpilotError):
    """Raised when a published protocol is asked for episodes, budgets or prices that it does not have."""


class RivalNotTrained(BidpilotError):
    """Raised when a learned rival has no weights for the training days asked for, or could not be trained."""


class InvalidBundle(BidpilotError):
    """Raised when a folder is no whole policy bundle: a file missing, altered, or not what the manifest says."""


class InvalidBands(BidpilotError):
    """Raised when the bands of a forecast cannot be read or learnt, or are not of the days held against them."""


class BundleExists(InvalidBundle):
    """Raised when a folder holds the bundle of another run, which nobody said may be replaced."""


class BundleMismatch(BidpilotError):
    """Raised when a whole bundle does not fit this version: schema, features, plan, or golden outputs."""


class PromotionRefused(BidpilotError):
    """Raised when a challenger did not win the evaluation that its promotion needs."""


class InvalidFlight(InvalidCampaign):
    """Raised when a campaign's flight has days, hours or a total that cannot be."""


class InvalidZone(BidpilotError):
    """Raised when a time zone is not known, or is another than that in which a forecast's days were cut."""


class InvalidServing(BidpilotError):
    """Raised when a bid server is asked for what it cannot do: a bad setting, campaign or predictor."""


class InvalidPredictor(InvalidServing):
    """Raised when a predictor cannot be loaded or asked, or its file of rates cannot be read or used."""


class InvalidCreative(InvalidServing):
    """Raised when a creative could not be shown: markup that is broken or insecure, or not what it says of itself."""


class InvalidRequest(BidpilotError):
    """Raised when a bid request cannot be read; names the field by its path."""


class InvalidNotice(BidpilotError):
    """Raised when a notice is not signed by this bidder, or tells a price or an event that cannot be."""


class InvalidIncident(BidpilotError):
    """Raised when an incident is asked for what it cannot do, or its file or the response policy cannot be read."""


class UnknownIncident(BidpilotError):
    """Raised when there is no incident of a name."""


class InvalidContacts(BidpilotError):
    """Raised when the contacts of a bid server cannot be read, or need what is not installed."""


class AuditBroken(BidpilotError):
    """Raised when an audit log cannot be read, or a line of it was altered, removed or put in between."""


class StateInUse(BidpilotError):
    """Raised when a state folder is needed by one alone, and another works on it."""


class InvalidBackup(BidpilotError):
    """Raised when a backup cannot be made or read, is not whole, or does not know what it is told of."""


class StateExists(BidpilotError):
    """Raised when a restore would replace a state that is there."""


class InvalidKey(BidpilotError):
    """Raised when a file holds no key, others may read it, or a key would be replaced."""


class WrongKey(BidpilotError):
    """Raised when what is encrypted is read without its key, or with another."""


class SealBroken(BidpilotError):
    """Raised when what was encrypted has been altered, reordered or cut short."""


class LinkLost(BidpilotError):
    """Raised when another process of the same bid server does not answer."""


class LedgerUnavailable(BidpilotError):
    """Raised when the store behind a budget ledger cannot be reached or refuses to write."""


class InvalidReport(BidpilotError):
    """Raised when what another bidder of the same budget tells of a slot cannot be read."""


class InvalidProfile(BidpilotError):
    """Raised when a KPI profile's weights are not usable."""


class UnknownProfile(BidpilotError):
    """Raised when a KPI profile is neither a known name nor a file."""


class InvalidPortfolio(InvalidCampaign):
    """Raised when a portfolio's campaigns, days or spend so far do not fit together."""


class InfeasiblePortfolio(InfeasibleCampaign):
    """Raised when no plan keeps all constraints of a portfolio; names the campaigns and constraints that conflict."""


class ServerUnavailable(BidpilotError):
    """Raised when a bid server does not answer, or answers what cannot be read."""


class ServerRefused(BidpilotError):
    """Raised when a bid server refuses what it is asked, and names its reason."""


class NotServed(BidpilotError):
    """Raised when a portfolio's campaign is not served by the bid server that is to spend for it."""


class CurrencyMismatch(BidpilotError):
    """Raised when amounts of one currency would be given to a bid server that counts in another."""


class BudgetsNotApplied(BidpilotError):
    """Raised when not all budgets of a portfolio could be given to its bid server; says what holds."""


class InvalidExperiment(BidpilotError):
    """Raised when units, arms or past days of an experiment cannot be compared."""


class NothingBought(BidpilotError):
    """Raised when what money bought is asked of days on which nothing was."""


class UnknownCampaign(BidpilotError):
    """Raised when a campaign is named of which a log has nothing."""


class TooFewDays(BidpilotError):
    """Raised when days are compared that are not there."""


class TooLittleEvidence(BidpilotError):
    """Raised when too little is known to propose anything by."""
