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
    Command("solve", f"{_CONFIG}:SolveConfig", "bidpilot.training.solve.run:run", "plan a campaign or a portfolio"),
    Command(
        "pareto",
        f"{_CONFIG}:ParetoConfig",
        "bidpilot.training.solve.front:run",
        "trace what each KPI of a campaign costs in the others",
    ),
    Command(
        "explain",
        f"{_CONFIG}:ExplainConfig",
        "bidpilot.training.explain.run:run",
        "say which features moved alpha in a slot",
    ),
    Command("tune", f"{_CONFIG}:TuneConfig", "bidpilot.training.tune.run:run", "tune learners and baselines alike"),
    Command(
        "ablate",
        f"{_CONFIG}:AblateConfig",
        "bidpilot.training.ablate.run:run",
        "say what each part of training buys",
    ),
    Command("import", f"{_CONFIG}:ImportConfig", "bidpilot.training.cli.import_log:run", "import an auction log"),
    Command(
        "calibrate",
        f"{_CONFIG}:CalibrateConfig",
        "bidpilot.training.cli.calibrate:run",
        "fit a market to an imported log",
    ),
    Command("export", f"{_CONFIG}:ExportConfig", "bidpilot.training.export.run:run", "turn a run into a bundle"),
    Command(
        "promote", f"{_CONFIG}:PromoteConfig", "bidpilot.training.export.promote:run", "make the challenger champion"
    ),
    Command("serve", f"{_CONFIG}:ServeCommand", "bidpilot.serving.server:run", "answer bid requests with a bundle"),
    Command(
        "ipinyou", f"{_CONFIG}:IPinYouConfig", "bidpilot.training.protocols.ipinyou:run", "play the iPinYou protocol"
    ),
    Command(
        "auctionnet",
        f"{_CONFIG}:AuctionNetConfig",
        "bidpilot.training.protocols.auctionnet:run",
        "play the AuctionNet protocol",
    ),
    Command("ui", f"{_CONFIG}:UiConfig", "bidpilot.training.tracking.ui:run", "open the runs in the MLflow UI"),
)
