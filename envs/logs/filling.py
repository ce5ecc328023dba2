"""Fills what a day's rows lack: prices of lost auctions, rates, and the half that another log lends."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from bidpilot.bidding.errors import CensoredLog, MissingPrices
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.donors import InteractionDonor, PriceDonor
from bidpilot.envs.logs.price_models import PriceLandscape, kaplan_meier
from bidpilot.envs.logs.staging import Staging
from bidpilot.envs.logs.storage import load_log

_CONSTANTS = {"exposure": 1.0, "interaction": 0.0, "conversion": 0.0}  # where a format has no such KPI

RATED_NOTE: Final = "predicted by the mean outcome of like auctions on other days"
"""How the note ends that says which KPIs are estimated from the log itself."""


class Filling:
    """Everything that is drawn or estimated for the rows of an import, and the notes that say so.

    Raises:
        MissingPrices: the format has no prices and no log to draw them from was named.
        CensoredLog: lost auctions have no bid, so nothing is known of their prices.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging, options = staging, staging.options
        self._rng = np.random.default_rng(np.random.SeedSequence([options.seed]))
        self.notes: list[str] = []
        self._prices: PriceDonor | None = None
        self._interactions: InteractionDonor | None = None
        self._landscape: PriceLandscape | None = None
        if not staging.format.has_prices:
            if options.prices_from is None:
                raise MissingPrices(
                    f"{staging.format.name} logs have no market prices, so they cannot be replayed. Name an imported "
                    "log that has some, with --prices-from FOLDER: a model of its prices is drawn."
                )
            self._prices = PriceDonor(load_log(options.prices_from, memory_map=None))
            self.notes.append(self._prices.note)
        if options.interactions_from is not None:
            self._interactions = InteractionDonor(load_log(options.interactions_from, memory_map=None), self._rng)
            self.notes.append(self._interactions.note)
        if staging.rows_lost and options.lost == "draw":
            self._landscape = self._fit_landscape()
        if staging.format.rated:
            self.notes.append(f"{', '.join(staging.format.rated)}: {RATED_NOTE}")

    def fill(self, rows: pl.DataFrame, period: int) -> pl.DataFrame:
        """The rows of one day, with a market price and three KPIs each."""
        rows = self._staging.rates.predict(rows, period)
        rows = rows.with_columns(pl.col(kpi).fill_null(_CONSTANTS[kpi]) for kpi in KPI)
        time = rows["slot"].to_numpy() / self._staging.format.slots
        if self._interactions is not None:
            exposure, interaction = self._interactions.draw(self._rng, time)
            rows = rows.with_columns(exposure=pl.Series(exposure), interaction=pl.Series(interaction))
        if self._prices is not None:
            value = rows["conversion"] if (rows["conversion"] > 0).any() else rows["interaction"]
            price = self._prices.draw(self._rng, time, value.to_numpy().astype(np.float64))
            rows = rows.with_columns(market_price=pl.Series(price.astype(np.float32)))
        return self._draw_lost(rows) if self._landscape is not None else rows

    def _draw_lost(self, rows: pl.DataFrame) -> pl.DataFrame:
        lost = rows["market_price"].is_null().to_numpy()
        if self._landscape is None or not lost.any():
            return rows
        price = np.array(rows["market_price"].fill_null(0.0).to_numpy(), dtype=np.float32)
        bids = rows["bid"].fill_null(0.0).to_numpy()[lost].astype(np.float64)
        price[lost] = self._landscape.draw(self._rng.random(int(lost.sum())), above=bids)
        return rows.with_columns(market_price=pl.Series(price))

    def _fit_landscape(self) -> PriceLandscape:
        price, bid, won = self._staging.landscape_columns()
        if np.isnan(bid[~won]).all():
            raise CensoredLog(
                f"{self._staging.rows_lost} auctions were lost without a recorded bid, so nothing is known of their "
                "prices. Map the column of bids, or leave these auctions out with --lost set-aside."
            )
        known = won | ~np.isnan(bid)
        landscape = kaplan_meier(price[known], bid[known], won[known])
        self.notes.append(
            f"prices of {self._staging.rows_lost} lost auctions drawn: {landscape.name} landscape of this log's won "
            "prices, given that each exceeded the recorded bid"
        )
        return landscape
