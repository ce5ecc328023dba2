"""The table of commands. A new command is one line here and a function elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command; both targets are "module:name" and imported when the command runs, not before."""

    name: str  # what is typed; two words where several commands share the first
    config: str  # the configuration model
    run: str  # the function that takes the configuration
    summary: str  # one line for `bidpilot --help`


_ROOMS = "bidpilot.training"

COMMANDS: tuple[Command, ...] = (
    Command("train", f"{_ROOMS}.train.command:TrainCommand", f"{_ROOMS}.train.command:run", "train a bid policy"),
    Command(
        "evaluate",
        f"{_ROOMS}.evaluation.config:EvaluateConfig",
        f"{_ROOMS}.evaluation.run:run",
        "score agents on held-out days",
    ),
    Command(
        "train-many",
        f"{_ROOMS}.many.config:TrainManyConfig",
        f"{_ROOMS}.many.train:run",
        "plan many campaigns, and say who is to bid for each",
    ),
    Command(
        "evaluate-many",
        f"{_ROOMS}.many.config:EvaluateManyConfig",
        f"{_ROOMS}.many.evaluate:run",
        "play many campaigns on held-out days",
    ),
    Command(
        "compare",
        f"{_ROOMS}.compare.config:CompareConfig",
        f"{_ROOMS}.compare.run:run",
        "say what differs between two trainings, and who did better",
    ),
    Command(
        "limit",
        f"{_ROOMS}.limit.config:LimitConfig",
        f"{_ROOMS}.limit.run:run",
        "bound what can be reached without knowing the future",
    ),
    Command("solve", f"{_ROOMS}.solve.config:SolveConfig", f"{_ROOMS}.solve.run:run", "plan a campaign or a portfolio"),
    Command(
        "pareto",
        f"{_ROOMS}.solve.config:ParetoConfig",
        f"{_ROOMS}.solve.pareto:run",
        "trace what each KPI of a campaign costs in the others",
    ),
    Command(
        "simulate",
        f"{_ROOMS}.simulate.config:SimulateConfig",
        f"{_ROOMS}.simulate.run:run",
        "say what a campaign would bring with another budget, target or creatives",
    ),
    Command(
        "rebalance",
        f"{_ROOMS}.rebalance.config:RebalanceConfig",
        f"{_ROOMS}.rebalance.run:run",
        "give a portfolio's campaigns tomorrow's budgets",
    ),
    Command(
        "profiles list",
        f"{_ROOMS}.profiles.config:ListConfig",
        f"{_ROOMS}.profiles.run:run_list",
        "list the KPI profiles that there are",
    ),
    Command(
        "profiles show",
        f"{_ROOMS}.profiles.config:ShowConfig",
        f"{_ROOMS}.profiles.run:run_show",
        "show what a KPI profile weighs",
    ),
    Command(
        "profiles propose",
        f"{_ROOMS}.profiles.config:ProposeConfig",
        f"{_ROOMS}.profiles.run:run_propose",
        "propose new weights from the last quarter's orders",
    ),
    Command(
        "weekly",
        f"{_ROOMS}.weekly.config:WeeklyConfig",
        f"{_ROOMS}.weekly.run:run",
        "hold the week against the week before, with a scorecard",
    ),
    Command(
        "explain",
        f"{_ROOMS}.explain.config:ExplainConfig",
        f"{_ROOMS}.explain.run:run",
        "say which features moved alpha in a slot",
    ),
    Command("tune", f"{_ROOMS}.tune.config:TuneConfig", f"{_ROOMS}.tune.run:run", "tune learners and baselines alike"),
    Command(
        "ablate",
        f"{_ROOMS}.ablate.config:AblateConfig",
        f"{_ROOMS}.ablate.run:run",
        "say what each part of training buys",
    ),
    Command(
        "import", f"{_ROOMS}.importing.config:ImportConfig", f"{_ROOMS}.importing.run:run", "import an auction log"
    ),
    Command(
        "calibrate",
        f"{_ROOMS}.calibrate.config:CalibrateConfig",
        f"{_ROOMS}.calibrate.run:run",
        "fit a market to an imported log",
    ),
    Command("export", f"{_ROOMS}.export.config:ExportConfig", f"{_ROOMS}.export.run:run", "turn a run into a bundle"),
    Command(
        "promote",
        f"{_ROOMS}.export.config:PromoteConfig",
        f"{_ROOMS}.export.promote:run",
        "make the challenger champion",
    ),
    Command(
        "serve", f"{_ROOMS}.cli.serve:ServeCommand", "bidpilot.serving.server:run", "answer bid requests with a bundle"
    ),
    Command(
        "fit-predictor",
        f"{_ROOMS}.predictor.config:FitPredictorConfig",
        f"{_ROOMS}.predictor.run:run",
        "learn a bid server's rates from its decision log, and judge them",
    ),
    Command(
        "privacy",
        f"{_ROOMS}.cli.privacy:PrivacyCommand",
        "bidpilot.serving.privacy.command:run",
        "say, prune, delete or encrypt what a bid server keeps",
    ),
    Command(
        "backup",
        f"{_ROOMS}.cli.backup:BackupCommand",
        "bidpilot.serving.backup.backup:run",
        "copy a bid server's ledger and state while it serves",
    ),
    Command(
        "restore",
        f"{_ROOMS}.cli.backup:RestoreCommand",
        "bidpilot.serving.backup.restore:run",
        "put such a copy back, so that no money is spent twice",
    ),
    Command(
        "ipinyou",
        f"{_ROOMS}.protocols.config:IPinYouConfig",
        f"{_ROOMS}.protocols.ipinyou:run",
        "play the iPinYou protocol",
    ),
    Command(
        "auctionnet",
        f"{_ROOMS}.protocols.config:AuctionNetConfig",
        f"{_ROOMS}.protocols.auctionnet:run",
        "play the AuctionNet protocol",
    ),
    Command(
        "rivals",
        f"{_ROOMS}.protocols.config:RivalsConfig",
        f"{_ROOMS}.protocols.rivals:run",
        "train published offline learners for auctionnet",
    ),
    Command(
        "traffic",
        f"{_ROOMS}.protocols.config:TrafficConfig",
        f"{_ROOMS}.protocols.traffic:run",
        "hold the traffic detector to its bars",
    ),
    Command(
        "alerts",
        f"{_ROOMS}.alerts.config:AlertsConfig",
        f"{_ROOMS}.alerts.run:run",
        "hold the alarms of a live campaign to their bars",
    ),
    Command(
        "shadow",
        f"{_ROOMS}.shadow.config:ShadowConfig",
        f"{_ROOMS}.shadow.run:run",
        "compare a shadow policy's bids with those made",
    ),
    Command(
        "market",
        f"{_ROOMS}.market.config:MarketConfig",
        f"{_ROOMS}.market.run:run",
        "say what happens when all bidders use one policy",
    ),
    Command(
        "sources",
        f"{_ROOMS}.sources.config:SourcesConfig",
        f"{_ROOMS}.sources.run:run",
        "review the traffic sources of a recorded log",
    ),
    Command(
        "risks",
        f"{_ROOMS}.risk.config:RisksConfig",
        f"{_ROOMS}.risk.run:run",
        "list risks: how likely each is, what it costs, where it hits",
    ),
    Command(
        "incidents",
        f"{_ROOMS}.incidents.config:IncidentsConfig",
        f"{_ROOMS}.incidents.run:run",
        "list, replay, report and review incidents, and learn from reviews",
    ),
    Command(
        "ab plan",
        f"{_ROOMS}.experiments.config:PlanConfig",
        f"{_ROOMS}.experiments.plan:run",
        "say how long an experiment takes, and what it can find",
    ),
    Command(
        "ab run",
        f"{_ROOMS}.experiments.config:RunConfig",
        f"{_ROOMS}.experiments.run:run",
        "play an experiment of two arms in the simulator",
    ),
    Command(
        "ab analyse",
        f"{_ROOMS}.experiments.config:AnalyseConfig",
        f"{_ROOMS}.experiments.run:run_analyse",
        "say what an experiment has shown so far, and whether to go on",
    ),
    Command(
        "ab simulate",
        f"{_ROOMS}.experiments.config:SimulateConfig",
        f"{_ROOMS}.experiments.simulate:run",
        "hold the analysis of experiments to its bars",
    ),
    Command(
        "report",
        f"{_ROOMS}.reporting.config:ReportConfig",
        f"{_ROOMS}.reporting.run:run",
        "say what the money bought, as one HTML file",
    ),
    Command(
        "off-policy estimate",
        f"{_ROOMS}.off_policy.config:EstimateConfig",
        f"{_ROOMS}.off_policy.run:run",
        "say what a candidate bundle would have brought on served days",
    ),
    Command(
        "off-policy check",
        f"{_ROOMS}.off_policy.config:CheckConfig",
        f"{_ROOMS}.off_policy.check:run",
        "hold such estimates against the truth of the simulator",
    ),
    Command("ui", f"{_ROOMS}.tracking.config:UiConfig", f"{_ROOMS}.tracking.ui:run", "open the runs in the MLflow UI"),
)
