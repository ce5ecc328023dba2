"""Draw docs/market.png: the days of `daily` and `steady` beside what was recorded.

Run from the project's root: `python docs/market.py [--json FILE]`. It needs no recorded data: the recorded figures
are the constants of `bidpilot.envs.markets.fitted.published`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.fitted import published as calibration
from bidpilot.envs.markets.fitted.published import LevelStatistics, level_statistics
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.report.style import INK, new_figure, tidy

COLOURS = {"steady": "#009e73", "daily": "#0072b2"}
RECORDED = "#d55e00"
DAYS = 2000
SHOWN = 6
LEVELS = ("value_level", "traffic", "value_per_price", "price_level")
HOURS = np.arange(49) / 2


def slot_sums(market: SyntheticMarket, batch: DayBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Conversions and market prices of all auctions of a slot, both (D, T)."""
    sums = []
    columns = ((market.log.true_conversion, batch.value_scale), (market.log.market_price, batch.price_scale))
    for column, scale in columns:
        total = np.concatenate([[0.0], np.cumsum(column, dtype=np.float64)])
        sums.append((total[batch.start + batch.count] - total[batch.start]) * scale[:, :, 0])
    return sums[0], sums[1]


def level_statistics_of(market: SyntheticMarket, batch: DayBatch) -> LevelStatistics:
    """The market's own quantiles, by the method of the recorded ones."""
    count = batch.count.astype(np.float64)
    return level_statistics(count, *slot_sums(market, batch), market.level_slots, market.config.traffic_slots)


def numbers(market: SyntheticMarket, batch: DayBatch) -> dict[str, Any]:
    """What a preset's days are like: quantiles of levels, and what a day costs and brings (currency)."""
    log, levels = market.log, level_statistics_of(market, batch)
    conversions, cost = (sums.sum(axis=1).mean() for sums in slot_sums(market, batch))
    together = np.corrcoef([log.exposure, log.interaction, log.conversion])[np.triu_indices(3, 1)]
    return {
        "market": log.name,
        "days": len(batch),
        **{field: getattr(levels, field).tolist() for field in LEVELS},
        "auctions": float(batch.count.sum(axis=1).mean()),
        "cost": float(cost),
        "conversion_worth": float(conversions * market.config.conversion_value),
        "least_kpi_correlation": float(together.min()),
        "greatest_kpi_correlation": float(together.max()),
    }


def draw_days(axes: Axes, curves: NDArray[np.float64], title: str, colour: str) -> None:
    """A few days thin, the mean of all days thick."""
    curves = np.column_stack([curves, curves[:, -1]])  # the last slot is drawn to its end
    axes.step(HOURS, curves[:SHOWN].T, where="post", color=colour, alpha=0.35, linewidth=0.9)
    axes.step(HOURS, curves.mean(axis=0), where="post", color=INK, linewidth=2.0, label="mean of all days")
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 6))
    axes.set_ylim(bottom=0)


def draw_quantiles(axes: Axes, statistics: dict[str, LevelStatistics]) -> None:
    """10 to 90 % as a bar, the median as a dot; recorded beside synthetic."""
    recorded = {
        "value level": calibration.AUCTIONNET_VALUE_LEVEL,
        "traffic": calibration.AUCTIONNET_TRAFFIC,
        "price level": calibration.AUCTIONNET_PRICE_LEVEL,
        "value per price": calibration.AUCTIONNET_VALUE_PER_PRICE,
    }
    fields = ("value_level", "traffic", "price_level", "value_per_price")
    rows = {"AuctionNet": (RECORDED, list(recorded.values()))}
    for name, found in statistics.items():
        rows[name] = (COLOURS[name], [getattr(found, field) for field in fields])
    for shift, (label, (colour, quantiles)) in zip((0.22, 0.0, -0.22), rows.items(), strict=True):
        low, middle, high = np.array(quantiles).T
        place = np.arange(len(fields))[::-1] + shift
        axes.hlines(place, low, high, color=colour, linewidth=5, alpha=0.6)
        axes.plot(middle, place, "o", color=colour, label=label)
    axes.set_yticks(np.arange(len(fields))[::-1], list(recorded))
    axes.set_title("Levels of blocks: 10, 50 and 90 %, mean 1", fontsize=10, loc="left")
    axes.set_xlim(0, 2)
    axes.set_ylim(-0.5, 4.6)
    axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=3, columnspacing=1.0, handletextpad=0.0)


def draw_prices(axes: Axes, market: SyntheticMarket) -> None:
    """The log's prices and the log-normal law with iPinYou's spread."""
    price = np.log(market.log.market_price.astype(np.float64))
    axes.hist(price, bins=120, density=True, color=COLOURS["daily"], alpha=0.5, label="daily, 1 M auctions")
    grid, spread = np.linspace(price.min(), price.max(), 200), calibration.IPINYOU_PRICE_LOG_STD
    normal = np.exp(-0.5 * ((grid - price.mean()) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    axes.plot(grid, normal, color=RECORDED, linewidth=2, label=f"log-normal, iPinYou's log-std {spread}")
    axes.set_title("Market price (currency, log scale)", fontsize=10, loc="left")
    ticks = [0.002, 0.01, 0.05, 0.25, 1.0]
    axes.set_xticks(np.log(ticks), [f"{tick:g}" for tick in ticks])
    axes.set_yticks([])
    axes.set_ylim(top=0.62)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def main() -> None:
    """Write docs/market.png beside this file, and the numbers where a file is named."""
    parser = argparse.ArgumentParser(description="The days of the presets beside what was recorded.")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    asked = parser.parse_args()
    figure = new_figure(11.0, 6.4)
    axes = figure.subplots(2, 3)
    statistics, rows = {}, []
    for name in ("daily", "steady"):
        market = SyntheticMarket(PRESETS[name], np.random.SeedSequence([0, 0]), name)
        batch = market.days(np.random.default_rng(0).random((DAYS, market.draws)))
        statistics[name] = level_statistics_of(market, batch)
        rows.append(numbers(market, batch))
        if name == "daily":
            draw_days(axes[0, 0], batch.count.astype(np.float64), "daily: auctions per slot", COLOURS[name])
            draw_days(axes[0, 1], batch.value_scale[:, :, 0].astype(float), "daily: value level", COLOURS[name])
            draw_days(axes[0, 2], batch.price_scale[:, :, 0].astype(float), "daily: price level", COLOURS[name])
            draw_prices(axes[1, 2], market)
        else:
            draw_days(axes[1, 0], batch.count.astype(np.float64), "steady: auctions per slot", COLOURS[name])
    draw_quantiles(axes[1, 1], statistics)
    for panel in (axes[0, 0], axes[0, 1], axes[0, 2], axes[1, 0]):
        panel.set_xlabel("hour", fontsize=9)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper left")
    for panel in axes.flat:
        tidy(panel)
    figure.savefig(Path(__file__).with_name("market.png"), dpi=120)
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
