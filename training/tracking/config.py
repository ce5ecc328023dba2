"""Configuration of `bidpilot ui`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bidpilot.training.cli.config import Config


class UiConfig(Config):
    """Open the runs in the MLflow UI."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot ui --port 5001",)

    port: int = Field(5000, ge=1, le=65535, description="TCP port to listen on.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; the default is loopback.")
