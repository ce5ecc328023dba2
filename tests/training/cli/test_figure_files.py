"""A file that a figure is drawn to ends in what can be drawn, and what does not is refused with the options."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from matplotlib.figure import Figure
from pydantic import ValidationError

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.commands import COMMANDS
from bidpilot.training.cli.config import PICTURES
from bidpilot.training.cli.overlay import read_config
from bidpilot.training.market.config import MarketConfig
from bidpilot.training.report.files import write_figure

_CONFIGS = {command.name: resolve_name(command.config) for command in COMMANDS}
DRAWING = [pytest.param(c, "figure", id=name) for name, c in _CONFIGS.items() if "figure" in c.model_fields]
DRAWING.append(pytest.param(_CONFIGS["compare"], "out", id="compare"))


def faults(config: Any, option: str, file: str) -> list[str]:
    """What is wrong with the option, whatever else the command needs."""
    try:
        config.model_validate({option: file})
    except ValidationError as error:
        return [entry["msg"] for entry in error.errors() if option in entry["loc"]]
    return []


@pytest.mark.parametrize(("config", "option"), DRAWING)
def test_every_command_refuses_what_cannot_be_drawn_before_any_work(config: Any, option: str) -> None:
    for file in ("f.xyz", "figure", "figure.png.gz", ".png"):
        (said,) = faults(config, option, file)
        assert ".png, .svg" in said
    for file in ("f.png", "folder.of/f.SVG"):
        assert faults(config, option, file) == []


def test_the_error_names_option_and_file() -> None:
    with pytest.raises(InvalidConfig, match=r"^figure: .*f\.xyz.*\.svg"):
        read_config(MarketConfig, ["--figure", "f.xyz"], "bidpilot market")


@pytest.mark.parametrize("ending", PICTURES)
def test_every_ending_that_is_taken_is_drawn(ending: str, tmp_path: Path) -> None:
    write_figure(tmp_path / f"f{ending}", Figure(figsize=(1, 1)))
    assert (tmp_path / f"f{ending}").stat().st_size > 0
