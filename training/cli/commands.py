"""The table of commands. A new command is one line here and a function elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command; both targets are "module:name" and imported when the command runs, not before."""

    name: str  # what is typed
    config: str  # the configuration model
    run: str  # the function that takes the configuration
    summary: str  # one line for `bidpilot --help`


_CONFIG = "bidpilot.training.config"

COMMANDS: tuple[Command, ...] = (
    Command("train", f"{_CONFIG}:TrainConfig", "bidpilot.training.train:run", "train a bid policy"),
    Command(
        "evaluate",
        f"{_CONFIG}:EvaluateConfig",
        "bidpilot.training.evaluation.run:run",
        "score agents on held-out days",
    ),
    Command("import", f"{_CONFIG}:ImportConfig", "bidpilot.training.cli.import_log:run", "import an auction log"),
    Command(
        "calibrate",
        f"{_CONFIG}:CalibrateConfig",
        "bidpilot.training.cli.calibrate:run",
        "fit a market to an imported log",
    ),
    Command("ipinyou", f"{_CONFIG}:IPinYouConfig", "bidpilot.training.protocols:run", "play the published protocol"),
    Command("ui", f"{_CONFIG}:UiConfig", "bidpilot.training.tracking.ui:run", "open the runs in the MLflow UI"),
)
