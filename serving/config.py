"""Configuration of a bid server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.bidding.traffic.sources import CLUSTERS
from bidpilot.bidding.zone import ZoneName
from bidpilot.serving.access import networks_of
from bidpilot.serving.givt.chain import Demand
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.privacy.keep import Keep
from bidpilot.serving.reconciliation import ReconciliationConfig
from bidpilot.serving.restrictions.auction_types import AuctionTypes


class ServeConfig(BaseModel):
    """Answer bid requests with a policy bundle: OpenRTB 2.6 over HTTP, with a budget ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bundle: Path = Field(description="Folder of the policy bundle that bids.")
    shadow: Path | None = Field(
        None, description="Folder of a bundle that decides beside it without bidding; both are logged."
    )
    campaigns: Path | None = Field(
        None, description="JSON file with a list of campaigns; the bundle's default campaign where none."
    )
    budget: float | None = Field(None, gt=0, description="Budget per day of the default campaign, currency.")
    state: Path = Field(Path("serving-state"), description="Folder of ledger, switches and secrets.")
    redis: str | None = Field(
        None,
        description="Address of a Redis that several bidders share budgets and orders in: redis://HOST:6379/0.",
    )
    bidders: int = Field(
        1,
        ge=1,
        description="Bidders expected to share the traffic evenly in a day's first slot; then shares are measured.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Processes that serve the port, for as many cores; one ledger holds their budgets.",
    )
    worker_silence: float = Field(
        30.0, gt=0, description="Time after which a worker that answers nothing is killed and started again, seconds."
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address that bid requests and notices come to.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port for them; 0 takes a free one.")
    notice_port: int | None = Field(
        None, ge=0, le=65535, description="TCP port for notices alone, on the same address; where none, that of bids."
    )
    allow: tuple[str, ...] = Field(
        (), description="Networks that bid requests may come from, as 203.0.113.0/24; where none, any."
    )
    exchanges: Path | None = Field(
        None, description="JSON file of exchanges that may ask for bids, by token or network; where none, any may."
    )
    admin_host: str = Field("127.0.0.1", min_length=1, description="Address of metrics and administration.")
    risks: Path | None = Field(
        None, description="Risk register that the control page shows, as `bidpilot risks --json FILE` writes it."
    )
    admin_port: int = Field(8081, ge=0, le=65535, description="TCP port for them; 0 takes a free one.")
    tokens: Path | None = Field(
        None,
        description='JSON file of more tokens of administration: {"NAME": {"token": "...", "role": "read"}}; roles are '
        "read, operate and direct.",
    )
    public_url: str | None = Field(
        None, description="Address that exchanges send notices to; http://HOST:PORT where none."
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of budgets and bids, ISO 4217.")
    rates: Path | None = Field(
        None,
        description='JSON file of rates of exchange: {"base": "EUR", "rates": {"USD": 1.08}}; none: ours alone.',
    )
    auction_types: tuple[str, ...] = Field(
        (), description="What exchanges' own values of `at`, above 500, mean: 501=first, second or fixed."
    )
    seat: str = Field("bidpilot", min_length=1, description="Buyer seat in bid responses.")
    bid_expiry: float = Field(30.0, gt=0, description="Time from bid to billing that is promised (bid.exp), seconds.")
    grace: float = Field(30.0, ge=0, description="Time after that in which a billing notice is still paid, seconds.")
    max_hold: float = Field(
        3600.0,
        gt=0,
        description="Longest time to its bill for which an auction may hold a bid (imp.exp), seconds; no bid beyond.",
    )
    win_hold: float = Field(
        86_400.0,
        gt=0,
        le=3 * 86_400.0,
        description="Time for which the money of a win that was told waits for its bill, seconds.",
    )
    settle_on: Literal["win", "bill"] = Field(
        "bill", description="Notice that settles a bid: win where exchanges send no billing notices."
    )
    timezone: ZoneName = Field(
        "UTC", description="IANA name of the time zone of the days of campaigns that name none, as Asia/Shanghai."
    )
    calendar: Path | None = Field(
        None, description="JSON file of named events, in place of those that the bundle's forecast was trained with."
    )
    sources: int = Field(
        CLUSTERS,
        ge=1,
        le=32767,
        description="Clusters of publishers that are told apart, where the bundle's forecast knows no sources.",
    )
    blocklists: Path | None = Field(
        None,
        description="Folder of lists of invalid traffic and of sellers (addresses.txt and so on), read anew at SIGHUP.",
    )
    supply_chain: Demand = Field(
        Demand.any, description="Which supply chains (source.schain) are bid on: any, complete where told, or required."
    )
    traffic_filter: bool = Field(
        True, description="Refuse traffic that is taken for invalid, by source, before the bid."
    )
    responses: Path | None = Field(
        None, description="JSON or YAML file of what is done about incidents; where none, what is built in."
    )
    contacts: Path | None = Field(
        None, description="JSON or YAML file of whom to tell of incidents, by role: watcher, lead, director."
    )
    predictor: str | None = Field(
        None,
        description="`module:function` that is asked for the values of impressions that bring none; the working folder "
        "is looked in too.",
    )
    predictor_ms: float = Field(
        10.0, gt=0, description="Longest time that it may take for a request, milliseconds; then rates stand in."
    )
    predictor_file: Path | None = Field(
        None,
        description="File of the built-in predictor's rates, as `bidpilot fit-predictor` writes it; where none, what "
        "the forecast expects of the segment.",
    )
    segment: str | None = Field(
        None, description="Segment of impressions that do not say theirs; where none, that of most auctions."
    )
    decisions: Path | None = Field(None, description="Folder to log every auction to, as Parquet.")
    explain: bool = Field(False, description="Return a bid's parts to whoever asks for them in the request.")
    max_body: int = Field(262_144, ge=1024, description="Largest request body, bytes.")
    body_timeout: float = Field(1.0, gt=0, description="Longest time for a request's body to arrive, seconds.")
    max_imp: int = Field(50, ge=1, description="Most impressions of a request that is answered.")
    max_response: int = Field(
        1_048_576, ge=1024, description="Largest response, bytes: bids beyond are not sent and hold no money."
    )
    network_ms: float = Field(
        10.0, ge=0, description="Part of a request's tmax that its way here and back takes, milliseconds."
    )
    min_tmax: int = Field(3, ge=0, description="Least tmax of a request that is answered, milliseconds.")
    drain: float = Field(
        5.0, ge=0, description="Time after SIGTERM in which notices are still booked and no bid is made, seconds."
    )
    key_file: Path | None = Field(
        None,
        description="File of the key that the decision log and the state are encrypted with (privacy new-key makes "
        "one); where none, they are not.",
    )
    keep_days: int | None = Field(
        None, ge=1, le=36_500, description="Days after which what is kept is removed, each night; where none, never."
    )
    keep: Keep = Field(Keep(), description="Days by kind, where not keep-days.")
    clock: Literal["wall", "manual"] = Field(
        "wall", description="`manual` lets the administrator move the time: for replays of recorded days."
    )
    reconciliation: ReconciliationConfig = Field(
        ReconciliationConfig(), description="When wins that are not billed are too many."
    )
    guardrails: GuardrailConfig = Field(GuardrailConfig(), description="Limits of the bidding.")

    @field_validator("auction_types")
    @classmethod
    def _are_auction_types(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        AuctionTypes(texts)
        return texts

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        networks_of(texts)
        return texts
