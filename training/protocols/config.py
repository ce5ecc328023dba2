"""Configuration of the commands that play published protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import tyro
from pydantic import Field

from bidpilot.agents.learners.catalogue import DEFAULT
from bidpilot.training.cli.config import Carries, Config, Count, FigureFile, JsonFile, Seed, json_file
from bidpilot.training.evaluation.names import CHOICE, FORECASTING, REFERENCES
from bidpilot.training.protocols.names import BENCHMARK, OFFLINE, USUAL

RIVALS: Final = Path("rivals")
"""Folder that weights of learned rivals are kept in."""


class IPinYouConfig(Config):
    """Play the published iPinYou protocol: linear bidding, Mcpc, SS-MDP and RLB beside the re-planned rule."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot ipinyou train.yzx.txt test.yzx.txt --json rows.json",)

    train: tyro.conf.Positional[Path] = Field(description="Training part: click, market price, predicted rate a row.")
    test: tyro.conf.Positional[Path] = Field(description="Test part, of the same form.")
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2),
        min_length=1,
        description="Budget shares c0: an episode's budget over the cost of its auctions at the mean training price.",
    )
    episode: Count = Field(1000, description="Auctions per episode.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")
    json_file: JsonFile = json_file("the printed rows")


class AuctionNetConfig(Config):
    """Play the AuctionNet protocol, conversions under target costs and under budgets alone, beside its bidders."""

    examples: ClassVar[tuple[str, ...]] = (
        f"bidpilot auctionnet logs/train logs/test --agents online_lp mpc {DEFAULT}",
        "bidpilot auctionnet logs/train --leave-one-out",
    )

    train: tyro.conf.Positional[Path] = Field(description="Folder of the imported training log.")
    test: tyro.conf.Positional[Path | None] = Field(
        None, description="Folder of the imported test log, of other days; none with --leave-one-out."
    )
    leave_one_out: bool = Field(
        False,
        description="Play the days of each campaign of the training log in turn, by what is known of its other "
        "campaigns; policies are those of `train --log TRAIN --hold-out CAMPAIGN`.",
    )
    agents: tuple[str, ...] = Field(
        (),
        description=f"Agents by name: {' '.join(BENCHMARK)}, of the benchmark, {' '.join(OFFLINE)}, with weights of "
        f"`bidpilot rivals`, {' '.join(FORECASTING)}, "
        f"NAME_tuned with the gains that tuning found, NAME_neutral without, {DEFAULT}@RUN for a particular training "
        f"run, {DEFAULT}@RUN,RUN,RUN for one agent over seeds, or {CHOICE}@RUN for what a run exports. Where "
        f"none is named: {' '.join(USUAL)}. "
        f"{' and '.join(REFERENCES)} are always played.",
    )
    carries: Carries = "auto"
    rivals: Path = Field(RIVALS, description="Folder of the weights that `bidpilot rivals` wrote.")
    against: tuple[str, ...] = Field(
        ("online_lp", "mpc"), description="Agents that every other one is compared with, paired by day."
    )
    seed: Seed = Field(0, description="Seed of the bootstrap.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment of policies.")

    @property
    def named(self) -> tuple[str, ...]:
        """Who plays, beside the references."""
        return tuple(dict.fromkeys(self.agents or USUAL))


class RivalsConfig(Config):
    """Train published offline learners (d3rlpy) on a log's training days, for `auctionnet --agents iql cql`."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot rivals logs/train --seeds 0 1 2",)

    train: tyro.conf.Positional[Path] = Field(description="Folder of the imported training log.")
    hold_out: tuple[str, ...] = Field(
        (), description="Campaigns that nothing is learnt from, for `auctionnet --leave-one-out`."
    )
    algorithms: tuple[Literal["iql", "cql"], ...] = Field(
        OFFLINE, min_length=1, description="Implicit Q-learning and conservative Q-learning."
    )
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="Seeds of training, a policy each.")
    steps: Count = Field(750, description="Gradient steps.")
    days: Count = Field(96, description="Recombined days of each behaviour under each score.")
    data_seed: Seed = Field(0, description="Seed of the days and of the noise of their bids.")
    carries: Carries = "auto"
    python: Path = Field(
        Path(".rivals/bin/python"), description="Python of the environment that has d3rlpy, as `make rivals` makes it."
    )
    out: Path = Field(RIVALS, description="Folder to keep the weights in.")


class TrafficConfig(Config):
    """Play the traffic detector on markets with invalid traffic and with honest look-alikes, each against its bar."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot traffic --days 64 --figure traffic.png",)

    markets: tuple[str, ...] = Field((), description="Markets by the names of the table's rows; all where none.")
    days: Count = Field(256, description="Days per market; a market of several draws shares them out.")
    seed: Seed = Field(0, description="Seed of the days, of drawn bursts and of the bootstrap.")
    json_file: JsonFile = json_file("the printed rows")
    figure: FigureFile = Field(None, description="File to draw the figure to, as PNG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
