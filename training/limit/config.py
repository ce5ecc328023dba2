"""Configuration of `bidpilot limit`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bidpilot.training.cli.config import Config, Count, JsonFile, Seed, json_file


class LimitConfig(Config):
    """Bound what a bidder who does not know the future can reach on a suite, and say what is left above controllers."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot limit --suite steady",)

    suite: str = Field("daily", description="Suite by name: daily, steady, or another that the bound holds for.")
    days: Count = Field(512, description="Held-out days.")
    seed: Seed = Field(0, description="Seed of the suite's days and of the bootstrap.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
