"""Configuration of `bidpilot market`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, Positive, Seed, json_file


class MarketConfig(Config):
    """Play a market in which all bidders use the same policy; prices, R / R* of each, fairness and money left."""

    basic: ClassVar[tuple[str, ...]] = ("all", "bidders", "days", "figure", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot market --all mpc adaptive",
        "bidpilot market --all choice@RUN --figure market.png",
    )

    all: tuple[str, ...] = Field(
        ("mpc",),
        min_length=1,
        description="Who everybody is, one market after another: controllers by name, LEARNER@RUN or choice@RUN.",
    )
    bidders: int = Field(RivalMarketConfig().bidders, ge=2, description="Bidders of the market.")
    budget: Positive = Field(RivalMarketConfig().budget, description="Budget of each, currency per day.")
    days: Count = Field(16, description="Days that are played.")
    seed: Seed = Field(0, description="Seed of bidders, days and intervals.")
    figure: FigureFile = Field(None, description="File to draw the picture to, which is with the run too.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
