"""Configuration of `bidpilot off-policy estimate` and `bidpilot off-policy check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, Positive, Seed, Share, json_file

_FIGURE: Final = "File to draw the figure to, as PNG."
_EXPERIMENT: Final = "Name of the MLflow experiment."


class JudgedConfig(Config):
    """How estimates are made, and when there is none."""

    copies: Count = Field(4, description="Times that prices which a log does not tell are drawn from the landscape.")
    most_weight: Annotated[float, Field(ge=1)] = Field(20.0, description="Importance weights are cut there.")
    doubt: Share = Field(
        0.2, description="Share by which the landscape may be wrong of what it alone answers for; widens intervals."
    )
    most_beyond: Share = Field(
        0.1, description="Share of a candidate's wins that the landscape alone may answer for; refused above it."
    )
    least_effective: Share = Field(
        0.03, description="Effective share of the auctions that tell of a candidate, by weight; refused below it."
    )


class EstimateConfig(JudgedConfig):
    """Say what a candidate bundle would have brought on served days, with its interval, or why that cannot be said."""

    basic: ClassVar[tuple[str, ...]] = ("bundle", "campaign", "json_file", "figure")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot off-policy estimate decisions --bundle challenger",
        "bidpilot off-policy estimate decisions --bundle challenger --campaign spring --json estimate.json",
    )

    log: tyro.conf.Positional[Path] = Field(description="Folder of decision logs that a bid server wrote.")
    bundle: Path = Field(description="Folder of the candidate's policy bundle.")
    campaign: str | None = Field(None, description="Campaign of the log; it may be left out where there is one alone.")
    key_file: Path | None = Field(
        None, description="File of the key that a bid server has encrypted its decision log with."
    )
    seed: Seed = Field(0, description="Seed of the prices that are drawn.")
    json_file: JsonFile = json_file("the estimate")
    figure: FigureFile = Field(None, description=_FIGURE)
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)


class CheckConfig(JudgedConfig):
    """Hold estimates against the truth of the simulator: many candidates on served, censored logs."""

    basic: ClassVar[tuple[str, ...]] = ("candidates", "days", "factors", "shares", "figure", "json_file")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot off-policy check --candidates 100 --figure off_policy.png",)

    candidates: Count = Field(100, description="Candidate policies; each has a log of its own.")
    days: Annotated[int, Field(ge=5)] = Field(28, description="Days of a log.")
    truth_days: Annotated[int, Field(ge=8)] = Field(192, description="Days that the truth is the mean of.")
    auctions: Positive = Field(
        40.0, description="Mean auctions per slot of the market, daily's else; budgets go along."
    )
    factors: tuple[Positive, ...] = Field(
        (0.8, 1.0, 1.25), min_length=1, description="What bids are multiplied by where the log explores."
    )
    shares: tuple[Positive, ...] = Field((0.1, 0.8, 0.1), min_length=1, description="Probability of each factor.")
    spread: Positive = Field(0.2, description="Standard deviation of the log of what candidates multiply bids by.")
    seed: Seed = Field(0, description="Seed of candidates, logs and truth.")
    json_file: JsonFile = json_file("a row per candidate and metric, and their totals")
    figure: FigureFile = Field(None, description=_FIGURE)
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)
