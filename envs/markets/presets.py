"""The named synthetic markets: `steady` and `daily`, and the markets that only suites use.

Both take prices from iPinYou (mean 83.8 per 1,000 exposures, log-std 0.951), and the spread of values
(log-std 0.59) and their correlation with prices within a segment (0.05) from AuctionNet's time steps; with
the segments' own levels, the correlation over all auctions becomes iPinYou's 0.15. The demand curve is
Avito's, the price curve AuctionNet's (level of the six blocks of a day; prices jump by 31 % at the start
of a block and fall back with 1.44 slots). A true conversion rate scatters around its prediction by 0.13,
AuctionNet's mean pValueSigma / pValue; for exposure and interaction there are no data, and half of it or
less is assumed. `bidpilot.envs.markets.fitted.published` holds these numbers with their sources.

A day has 9,600 auctions that would cost about 828 in all and be worth about 464 in conversions (mean value
over mean price 0.56; AuctionNet's two advertisers have 0.55 and 0.38). The default budget of 40 buys 17 %
of them in hindsight when only conversions count, 16 % for interactions, 23 % for exposures, and 20 % for an
equal mix (means over 12 days of the per-auction fractional knapsack).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.markets.fitted import published as calibration
from bidpilot.envs.synthetic.config import SyntheticConfig

DEFAULT_PRESET: Final = "daily"

STEADY: Final = SyntheticConfig(
    price_level=calibration.IPINYOU_MEAN_PRICE / 1000,
    price_log_std=calibration.IPINYOU_PRICE_LOG_STD,
    value_price_correlation=calibration.AUCTIONNET_VALUE_PRICE_CORRELATION,
    conversion_log_std=calibration.AUCTIONNET_VALUE_LOG_STD,
    demand_curve=calibration.AVITO_HOURLY_DEMAND,
    price_curve=calibration.AUCTIONNET_PRICE_CURVE,
    price_jump=0.31,
    prediction_noise=(0.03, 0.06, calibration.AUCTIONNET_PREDICTION_STD),
    arrival_noise=1.0,
    day_value_std=0.07,
    day_price_std=0.07,
    day_traffic_std=0.07,
    calibration_std=(0.0, 0.03, 0.03),
)
"""Mild noise: every day-level shock has a standard deviation of 7 % (predictions 3 %), slots arrive as a
Poisson process, and no block-level redraw; assumptions, chosen so that a controller is nearly optimal."""

DAILY: Final = SyntheticConfig(
    price_level=calibration.IPINYOU_MEAN_PRICE / 1000,
    price_log_std=calibration.IPINYOU_PRICE_LOG_STD,
    value_price_correlation=calibration.AUCTIONNET_VALUE_PRICE_CORRELATION,
    conversion_log_std=calibration.AUCTIONNET_VALUE_LOG_STD,
    demand_curve=calibration.AVITO_HOURLY_DEMAND,
    price_curve=calibration.AUCTIONNET_PRICE_CURVE,
    price_jump=0.31,
    prediction_noise=(0.03, 0.06, calibration.AUCTIONNET_PREDICTION_STD),
    arrival_noise=1.0,
    day_value_std=0.04,
    day_price_std=0.03,
    day_traffic_std=0.03,
    calibration_std=(0.0, 0.05, 0.05),
    value_category_halfwidth=0.65,
    value_own_halfwidth=0.35,
    block_price_std=0.19,
    value_price_level_correlation=calibration.AUCTIONNET_VALUE_PRICE_LEVEL_CORRELATION,
    traffic_halfwidth=0.37,
)
"""The default. The forms of the block levels are those of AuctionNet's simulator (a category times an own
factor for 8 slots, traffic for 4, all uniform); their half-widths were fitted to the quantiles of its
periods 0..9 (the simulator's own 0.7, 0.5 and 0.4 miss the upper value quantile by 14 %, since 120 blocks
are a small sample). Levels of successive blocks are independent, as recorded (autocorrelation 0.05 +- 0.1).
Frozen: a test holds its digest and its statistics."""

PRESETS: Final = MappingProxyType({"steady": STEADY, "daily": DAILY})


def preset_config(name: str) -> SyntheticConfig:
    """The market of a preset.

    Raises:
        InvalidMarket: no preset of that name.
    """
    if name not in PRESETS:
        raise InvalidMarket(f"no preset is called {name!r}. Use one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


SHIFT: Final = SyntheticConfig(
    **DAILY.model_dump()
    | {
        "price_level": 1.3 * DAILY.price_level,
        "demand_curve": DAILY.demand_curve[::-1],
        "price_log_std": 1.15,
        "conversion_log_std": 0.75,
        "block_price_std": 0.30,
        "platform_shock_probability": 0.4,
    }
)
"""`daily` after a change of regime: prices 30 % up and more dispersed, as conversions are and the blocks' price
levels, the demand of the day mirrored in time, and on 40 % of days 30 to 50 % of traffic lost from a random slot."""

RARE: Final = SyntheticConfig(
    **DAILY.model_dump() | {"conversion_rate": DAILY.conversion_rate / 10, "conversion_value": 120.0}
)
"""`daily` with a tenth of the conversions, each worth ten times as much: a day's budget buys one or two."""

SPARSE: Final = SyntheticConfig(**RARE.model_dump() | {"calibration_std": (0.0, 0.05, 0.6)})
"""`RARE` with conversion predictions that are off by a factor of the day of log-std 0.6 (`daily`: 0.05)."""

WEEK: Final = SyntheticConfig(**DAILY.model_dump() | {"weekly_curve": calibration.AVITO_WEEKLY_DEMAND})
"""`daily` with the traffic of Avito's week: 1.23 of the mean on Tuesdays, 0.84 on Sundays."""

INVALID: Final = SyntheticConfig(
    **DAILY.model_dump()
    | {
        "invalid_rate": 0.02,
        "invalid_burst_probability": 1.0,
        "invalid_burst_share": 0.5,
        "invalid_burst_slots": 8,
    }
)
"""`daily` with 2 % of invalid traffic, and every day a burst of four hours in which half of all auctions are."""

STEALTH: Final = SyntheticConfig(
    **DAILY.model_dump()
    | {
        "invalid_burst_probability": 1.0,
        "invalid_burst_share": 0.1,
        "invalid_burst_slots": DAILY.slots,
        "invalid_burst_sources": 16,
    }
)
"""`daily` with 10 % of invalid traffic all day long, from 16 sources that take turns: none of them stands out."""

BOTS: Final = SyntheticConfig(**INVALID.model_dump() | {"fake_engagement": 3.0})
"""`INVALID` with bots that interact three times as often as people do."""

VIRAL: Final = SyntheticConfig(**DAILY.model_dump() | {"viral_source_probability": 1.0})
"""`daily`, and every day half of all auctions come for four hours from three honest sources that surge."""

VIRAL_ONE: Final = SyntheticConfig(**VIRAL.model_dump() | {"viral_sources": 1})
"""`VIRAL` with one source."""

REDRAWN: Final = SyntheticConfig(**DAILY.model_dump() | {"source_demand_std": 0.5})
"""`daily` with every source's volume redrawn each day, by a log-normal factor."""

PERSISTENT: Final = SyntheticConfig(**DAILY.model_dump() | {"bad_source_share": 0.2})
"""`daily` with a fifth of traffic from sources that are bad every day: nine of ten of their auctions are invalid."""
