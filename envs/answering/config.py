"""Parameters of a market of rivals, and the kinds of pacing that rivals have."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import InvalidMarket

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
HalfWidth = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]


class Pacing(IntEnum):
    """How a rival sets the multiplier that it bids its values with, once per slot."""

    FIXED = 0  # never
    PID = 1  # by what it has left against what a level spend would leave
    LINEAR_PROGRAMME = 2  # by the price of money in the fractional programme over the prices seen so far
    TARGET_COST = 3  # so that spend per value stays at its target


class RivalMarketConfig(BaseModel):
    """What a market of rivals is made of.

    The levels of values and traffic have the form of AuctionNet's simulator, a category's factor times a bidder's own
    for some slots, traffic for some, all uniform (Su et al., NeurIPS 2024 D&B), and the widths of the preset `daily`.
    With the other defaults, prices and values per price of blocks spread as in AuctionNet's periods.

    Raises `InvalidMarket` when a value is out of range or not finite, or a key is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bidders: int = Field(default=48, ge=2, description="Bidders of the market, those that others play among them.")
    shares: tuple[NonNegative, NonNegative, NonNegative, NonNegative] = Field(
        default=(0.1, 0.45, 0.3, 0.15),
        description="Shares of rivals of fixed, PID, linear-programme and target-cost pacing, in this order.",
    )
    auctions_per_slot: Positive = Field(default=200.0, description="Mean auctions per slot over an average day.")
    pool_auctions: int = Field(default=65_536, ge=1, description="Auctions whose values are drawn; days read from it.")
    affinity_log_std: NonNegative = Field(
        default=0.6, le=2.0, description="Standard deviation of the log of a rival's own factor of an auction's value."
    )
    common: NonNegative = Field(
        default=0.1,
        description="Power of the price that the synthetic log has for an auction, in its value to every rival.",
    )
    categories: int = Field(default=16, ge=1, description="Categories of bidders, whose values rise and fall together.")
    level_slots: int = Field(default=8, ge=1, description="Slots over which a value level lasts; divides slots.")
    traffic_slots: int = Field(default=4, ge=1, description="Slots over which a traffic level lasts; divides slots.")
    slots: int = Field(default=48, ge=1, description="Slots per day.")
    category_halfwidth: HalfWidth = Field(default=0.65, description="A category's level is uniform in 1 -+ this.")
    own_halfwidth: HalfWidth = Field(default=0.35, description="A bidder's own level is uniform in 1 -+ this.")
    traffic_halfwidth: HalfWidth = Field(default=0.37, description="Traffic's level is uniform in 1 -+ this.")
    budget_level: Positive = Field(
        default=1.0,
        description="Mean budget of a rival over what an average day would cost it, did all bid their values.",
    )
    budget_log_std: NonNegative = Field(default=0.4, le=2.0, description="Spread of the rivals' log budgets.")
    least_price: Positive = Field(default=0.05, description="Least price of an auction over the mean price.")
    budget: Positive = Field(default=17.0, description="Default budget of a campaign that is played, currency.")
    conversion_value: Positive = Field(default=12.0, description="Default worth of a conversion, currency.")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InvalidMarket(f"{name} of a market of rivals: {first['msg']}; got {first['input']!r}.") from error
        if self.slots % self.level_slots or self.slots % self.traffic_slots:
            raise InvalidMarket(
                f"levels of {self.level_slots} and {self.traffic_slots} slots do not divide a day of {self.slots}. "
                "Give divisors."
            )
        if sum(self.shares) <= 0:
            raise InvalidMarket(f"the shares of pacing are {self.shares}: no rival would have any. Give one a share.")
        if self.pool_auctions < self.most_auctions * 2:
            raise InvalidMarket(
                f"a pool of {self.pool_auctions} auctions is too few for days of up to {self.most_auctions}. Give "
                "twice as many."
            )

    @property
    def most_auctions(self) -> int:
        """Auctions that a day may have."""
        return int(self.slots * (self.auctions_per_slot * (1.0 + self.traffic_halfwidth) + 1))

    @property
    def digest(self) -> str:
        """Hex digest of the parameters."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=16).hexdigest()
