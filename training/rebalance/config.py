"""Configuration of `bidpilot rebalance`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, JsonFile, Positive, json_file


class RebalanceConfig(Config):
    """Solve a portfolio again from what its campaigns have spent and brought, and set the budgets of tomorrow.

    Run it each night before midnight, by the bid server's clock. What is applied holds from its next day on.
    """

    basic: ClassVar[tuple[str, ...]] = ("dry_run", "admin", "token_file", "bundle", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot rebalance examples/portfolio.yaml --dry-run",
        "bidpilot rebalance examples/portfolio.yaml --token-file serving-state/admin.token",
    )

    portfolio: tyro.conf.Positional[Path] = Field(
        description="YAML file of the portfolio, as `bidpilot solve` takes it; its days are the length of a horizon."
    )
    dry_run: bool = Field(False, description="Say what would change and why, and change nothing.")
    admin: str = Field("http://127.0.0.1:8081", min_length=1, description="Address of the bid server's administration.")
    token_file: Path | None = Field(
        None, description="File that holds its token; the environment's BIDPILOT_ADMIN_TOKEN where none."
    )
    timeout: Positive = Field(5.0, description="Longest time that the server may take for one answer, seconds.")
    bundle: Path = Field(Path("bundle"), description="Folder of the policy bundle whose forecast is planned with.")
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of the portfolio's amounts, ISO 4217.")
    start: date | None = Field(
        None, description="First day of the first horizon, YYYY-MM-DD; as kept, or the server's tomorrow, where none."
    )
    plan: Path | None = Field(
        None, description="File that keeps the first day and each night's plan; PORTFOLIO.plan.json where none."
    )
    again: bool = Field(False, description="Solve anew where this night's budgets were applied already.")
    release: bool = Field(False, description="Hold no reserve any more.")
    results: bool = Field(True, description="Weigh campaigns by what they brought against what was predicted.")
    json_file: JsonFile = json_file("what changes and why")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
