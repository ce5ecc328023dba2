"""Configuration of every command: frozen pydantic models, one description with unit per field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.ppo.config import Count, PpoConfig
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.serving.config import ServeConfig
from bidpilot.training.ablate.catalogue import VARIANTS

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Config(BaseModel):
    """Base of all configuration: frozen, unknown keys and infinite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainConfig(Config):
    """Train a bid policy with PPO, on synthetic days or on a recorded log."""

    market: Literal["daily", "steady"] = Field("daily", description="Preset of the synthetic market.")
    log: Path | None = Field(
        None, description="Folder of an imported auction log to train on instead of the synthetic market."
    )
    seed: Seed = Field(0, description="Seed of the weights and of the training days.")
    total_steps: int = Field(
        294_912, ge=0, description="Length of the run, environment steps over all rows; 0: imitation alone."
    )
    rows: Count = Field(256, description="Days played side by side.")
    validation_days: Count = Field(256, description="Days per validation; the best policy by them is kept.")
    validate_every: Count = Field(
        98_304, description="Environment steps between two validations, rounded up to whole rollouts."
    )
    checkpoint_every: Count = Field(
        147_456, description="Environment steps between two checkpoints, rounded up to a day boundary."
    )
    resume: str | None = Field(
        None,
        min_length=1,
        description="Id of a run to go on with, bit for bit, in its own configuration; only a larger "
        "total-steps may be given with it.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
    run_name: str | None = Field(None, min_length=1, description="Name of the MLflow run; made up where none.")
    randomise: bool = Field(
        True,
        description="On a preset, draw each day's campaign from a pool of preferences, budgets, formats, delays and "
        "constraints, and its market from a broader one, so that one policy serves them all.",
    )
    pool: PoolConfig = Field(PoolConfig(), description="The pool of campaigns.")
    regret: bool = Field(
        True,
        description="Reward each slot with what it lost against hindsight, which takes the luck of the day out of "
        "PPO's gradient; else with the utility that it brought.",
    )
    imitation: ImitationConfig = Field(ImitationConfig(), description="Warm start by imitating the hindsight optimum.")
    tuned: bool = Field(
        False,
        description="Take the settings that `bidpilot tune` found for this market or log, where ppo's are at their "
        "defaults.",
    )
    ppo: PpoConfig = Field(PpoConfig(), description="PPO's hyperparameters.")

    @property
    def broadens(self) -> bool:
        """Whether campaigns and markets are drawn: on a preset, as asked."""
        return self.randomise and self.log is None

    @model_validator(mode="after")
    def _batches_fit(self) -> TrainConfig:
        rollout = self.rows * self.ppo.n_steps
        if rollout < self.ppo.batch_size or rollout % self.ppo.batch_size:
            raise ValueError(
                f"rows * ppo.n_steps = {rollout} is no multiple of ppo.batch_size = {self.ppo.batch_size}: "
                "choose a batch that divides the rollout"
            )
        return self

    @model_validator(mode="after")
    def _learns(self) -> TrainConfig:
        if self.total_steps == 0 and self.imitation.rounds == 0:
            raise ValueError("total_steps = 0 and imitation.rounds = 0 train nothing: give one of them more")
        return self


class EvaluateConfig(Config):
    """Play agents over held-out days, print R / R* per suite and the paired differences."""

    agents: tuple[str, ...] = Field(
        (),
        description="Agents by name: constant plan pid dual_descent mpc mpc_informed ppo, or ppo@RUN "
        "for a particular training run, ppo@RUN,RUN,RUN for one agent over seeds; all of them where none is named. "
        "mpc and mpc_informed, which is told the levels to come, are always played.",
    )
    suites: tuple[str, ...] = Field(
        (),
        description="Suites by name: steady daily shift sparse first_price won_only delayed invalid cpa balanced tail, "
        "or all; steady and daily where none is named and no log is given.",
    )
    front: bool = Field(
        False,
        description="Play 15 preferences instead, and compare the totals with the front of the hindsight optimum: "
        "hypervolume share and worst utility loss. On daily where no suite is named, with ppo where no agent is.",
    )
    log: Path | None = Field(None, description="Folder of an imported auction log; its name becomes the suite's.")
    days: Count = Field(512, description="Held-out days per suite; a log's suite has the days it has.")
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    max_cpa: Positive | None = Field(None, description="Target cost per conversion of the suites' campaigns, currency.")
    cpa_margin: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Share of a target cost per conversion that agents keep free: they are told (1 - margin) times the "
        "target, and scored by the target itself.",
    )
    min_tail_share: Share | None = Field(
        None, description="Least share of won exposures on long-tail content that the suites' campaigns ask for."
    )
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the printed rows to, as JSON.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class SolveConfig(Config):
    """Plan a campaign or a portfolio: what to spend when and where, what to bid, what each constraint costs."""

    file: tyro.conf.Positional[Path] = Field(
        description="YAML file of a campaign (market, profile, campaign) or of a portfolio (market, profile, "
        "campaigns and their budget)."
    )
    market: Literal["daily", "steady"] | None = Field(
        None, description="Preset of the synthetic market; the file's, or daily, where none."
    )
    log: Path | None = Field(None, description="Folder of an imported auction log to forecast from instead.")
    seed: Seed = Field(0, description="Seed of the synthetic market's log and forecast days.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None, validation_alias=AliasChoices("json", "json_file"), description="File to write the result to, as JSON."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ParetoConfig(SolveConfig):
    """Trace what each KPI of a campaign costs in the others, under its budget and constraints."""

    points: int = Field(16, ge=3, le=200, description="Plans to solve for; about two thirds by preference.")


class ImportConfig(Config):
    """Turn recorded auctions into a log that training and evaluation can read."""

    format: tyro.conf.Positional[Literal["auctionnet", "ipinyou", "kuairand", "criteo", "mapping", "decisions"]] = (
        Field(description="Format of the files; mapping: your own, as --mapping says; decisions: a bid server's log.")
    )
    files: tyro.conf.Positional[tuple[Path, ...]] = Field(
        min_length=1,
        description="Files to read, or folders of them: Parquet, or text ending in .csv .tsv .txt .log (or packed: .gz "
        ".bz2 .xz).",
    )
    out: Path = Field(description="Folder to write the log to.")
    force: bool = Field(False, description="Replace a log that is in that folder already.")
    advertiser: int | None = Field(
        None, ge=0, description="Number of the one advertiser to keep; all of them where none is given."
    )
    name: str | None = Field(None, min_length=1, description="Name of the log; the folder's where none.")
    mapping: Path | None = Field(None, description="YAML file that says what each column of your own files is.")
    terms: Literal["last", "first", "most", "refuse"] = Field(
        "last",
        description="Which budget and targets a day has where they change during it: those of its last slot, of its "
        "first, or of most auctions; or refuse the log.",
    )
    lost: Literal["refuse", "set-aside", "draw"] = Field(
        "refuse",
        description="What to do with lost auctions whose prices were not seen: refuse the log, set them aside, or "
        "draw their prices from a landscape fitted on the won ones.",
    )
    prices_from: Path | None = Field(
        None, description="Imported log whose price model is drawn where the format has no prices."
    )
    interactions_from: Path | None = Field(
        None, description="Imported log whose exposures and interactions are drawn in place of the format's."
    )
    budget: float | None = Field(None, gt=0, description="Budget of a day, currency, where the files have none.")
    budget_share: float = Field(
        0.125, gt=0, le=1, description="Else the budget of a day, as a share of what a usual day's auctions cost."
    )
    conversion_value: float | None = Field(
        None, gt=0, description="Worth of a conversion, currency, where the files have none; 1 where none is given."
    )
    episode: Count = Field(1000, description="Auctions per day, where the files have no times.")
    seed: Seed = Field(0, description="Seed of everything that an import draws.")


class CalibrateConfig(Config):
    """Fit a market to an imported log, so that any number of days like its own can be drawn."""

    log: tyro.conf.Positional[Path] = Field(description="Folder of the imported auction log.")
    out: Path = Field(description="Folder to write the market to; train on it with `train --log FOLDER`.")
    name: str | None = Field(None, min_length=1, description="Name of the market; made from the log's where none.")
    level_slots: Count | None = Field(
        None, description="Slots over which a value or price level lasts; 8, or what divides the day, where none."
    )
    traffic_slots: Count | None = Field(
        None, description="Slots over which a traffic level lasts; 4, or what divides level-slots, where none."
    )
    days: Count = Field(200, description="Days drawn to compare the market with the log.")
    seed: Seed = Field(0, description="Seed of those days.")


class IPinYouConfig(Config):
    """Play the published iPinYou protocol: linear bidding, Mcpc, SS-MDP and RLB beside the re-planned rule."""

    train: tyro.conf.Positional[Path] = Field(description="Training part: click, market price, predicted rate a row.")
    test: tyro.conf.Positional[Path] = Field(description="Test part, of the same form.")
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2),
        min_length=1,
        description="Budget shares c0: an episode's budget over the cost of its auctions at the mean training price.",
    )
    episode: Count = Field(1000, description="Auctions per episode.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the printed rows to, as JSON.",
    )


class ExportConfig(Config):
    """Turn a run into a policy bundle that `bidpilot serve` takes, and register it as the challenger."""

    run: tyro.conf.Positional[str] = Field(
        "latest",
        min_length=1,
        description="Id of a training run, or `latest`, or a registered model: models:/NAME@champion.",
    )
    out: Path = Field(description="Folder to write the bundle to.")
    agent: str = Field(
        "ppo", min_length=1, description="The run's policy, or a controller under the run's forecast: mpc pid plan ..."
    )
    name: str = Field("bidpilot", min_length=1, description="Name of the bundle and of the registered model.")
    register_model: Annotated[bool, tyro.conf.arg(name="register")] = Field(
        True, description="Log the bundle as an MLflow model and give it the alias challenger."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ExplainConfig(Config):
    """Say which features moved alpha in one slot of a played day, and by how much (integrated gradients)."""

    run: tyro.conf.Positional[str | None] = Field(
        None, min_length=1, description="Id of the training run to explain; the latest where none is named."
    )
    agent: str = Field("ppo", min_length=1, description="Agent by name: ppo plan pid dual_descent mpc.")
    suite: str = Field("daily", min_length=1, description="Suite whose day is played: steady daily.")
    log: Path | None = Field(None, description="Folder of an imported auction log whose day is played instead.")
    day: int = Field(0, ge=0, description="Day of the suite, counted from 0.")
    slot: int = Field(24, ge=0, description="Slot of the day, counted from 0; those before it are played.")
    seed: Seed = Field(0, description="Seed of the suite's days.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the explanation to, as JSON.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class PromoteConfig(Config):
    """Make the challenger the champion, if it wins paired days against the champion of now."""

    name: str = Field("bidpilot", min_length=1, description="Name of the registered model.")
    suites: tuple[str, ...] = Field(
        (), description="Suites to play; where none is named, the challenger's own, or none if it learnt from a log."
    )
    log: Path = Field(
        Path("logs/decisions"),
        description="Imported decision log to play too, or a folder of such logs, of which the latest is taken; "
        "left out where there is none.",
    )
    days: Count = Field(512, description="Held-out days per suite.")
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ServeCommand(ServeConfig, Config):
    """Answer bid requests with a policy bundle: OpenRTB 2.6 over HTTP, with a budget ledger."""

    bundle: tyro.conf.Positional[Path] = Field(description="Folder of the policy bundle that bids.")


class TuneConfig(Config):
    """Tune PPO and every baseline with the same number of trials each, on training days only."""

    agents: Literal["all", "baselines", "ppo"] = Field(
        "all", description="What to tune; baselines: constant pid dual_descent mpc, always together."
    )
    market: Literal["daily", "steady"] = Field("daily", description="Preset of the synthetic market.")
    log: Path | None = Field(
        None, description="Folder of an imported auction log to tune on instead of the synthetic market."
    )
    trials: Count = Field(32, description="Trials per agent; the first are its defaults.")
    days: Count = Field(256, description="Training days that each trial is scored on.")
    steps: Count = Field(122_880, description="Environment steps of each of PPO's trials.")
    rows: Count = Field(256, description="Days played side by side in PPO's trials.")
    randomise: bool = Field(True, description="Whether PPO's trials draw campaigns and markets, as `train` does.")
    pool: PoolConfig = Field(PoolConfig(), description="The pool of campaigns of PPO's trials.")
    regret: bool = Field(True, description="Whether PPO's trials learn from regrets against hindsight.")
    imitation: ImitationConfig = Field(ImitationConfig(), description="Warm start of PPO's trials.")
    seed: Seed = Field(0, description="Seed of the training days and of the search.")
    out: Path | None = Field(
        None,
        description="Folder of gains.json and ppo.json, which training and evaluation read; agents/data where none.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


_TRAINING = TrainConfig()


class AblateConfig(Config):
    """Train PPO with one part left out at a time, and say what each part buys on which suite."""

    variants: tuple[str, ...] = Field(
        (),
        description=f"What to train, by name: {' '.join(VARIANTS)}; all of them where none is named.",
    )
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1, description="Training seeds of every variant.")
    total_steps: Count = Field(
        _TRAINING.total_steps, description="Length of each training with PPO, environment steps over all rows."
    )
    rows: Count = Field(_TRAINING.rows, description="Days played side by side in training.")
    validation_days: Count = Field(_TRAINING.validation_days, description="Days per validation.")
    suites: tuple[str, ...] = Field((), description="Suites by name; all of them where none is named.")
    days: Count = Field(512, description="Held-out days per suite.")
    workers: Count = Field(2, description="Trainings side by side, each a process with one thread.")
    fresh: bool = Field(
        False,
        description="Train anew; otherwise a finished training of the same configuration is taken, of whatever commit.",
    )
    out: Path | None = Field(None, description="File to write the tables to, as Markdown.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the printed rows to, as JSON.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
    pool: PoolConfig = Field(_TRAINING.pool, description="The pool of campaigns.")
    imitation: ImitationConfig = Field(_TRAINING.imitation, description="Warm start of the variants that have one.")
    ppo: PpoConfig = Field(_TRAINING.ppo, description="PPO's hyperparameters, where a variant has none of its own.")

    @model_validator(mode="after")
    def _whole(self) -> AblateConfig:
        if self.ppo.hidden or not self.ppo.residual or self.imitation.rounds == 0:
            raise ValueError(
                "ppo.hidden, ppo.no-residual and imitation.rounds = 0 are what the variants leave out: leave them as "
                "they are, and name variants"
            )
        return self


class AuctionNetConfig(Config):
    """Play the AuctionNet protocol: conversions under a target CPA, beside the benchmark's bidders and the oracle."""

    train: tyro.conf.Positional[Path] = Field(description="Folder of the imported training log.")
    test: tyro.conf.Positional[Path] = Field(description="Folder of the imported test log, of other days.")
    agents: tuple[str, ...] = Field(
        (),
        description="Agents by name: fixed_cpa budget_pid cpa_pid online_lp, of the benchmark, and plan pid "
        "dual_descent mpc mpc_informed ppo, or ppo@RUN for a particular training run. Where none is named: those of "
        "the benchmark, plan, mpc, mpc_informed, and ppo where a run was trained on the training log.",
    )
    against: tuple[str, ...] = Field(
        ("online_lp", "mpc"), description="Agents that every other one is compared with, paired by day."
    )
    seed: Seed = Field(0, description="Seed of the bootstrap.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the printed rows to, as JSON.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment that ppo comes from.")


class UiConfig(Config):
    """Open the runs in the MLflow UI."""

    port: int = Field(5000, ge=1, le=65535, description="TCP port to listen on.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; the default is loopback.")


def given(config: BaseModel, prefix: str = "") -> list[str]:
    """The options that were given, the default or not, by the names that `--help` shows."""
    names: list[str] = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in config.model_fields_set:
            inner = given(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else []
            names.extend(inner or [f"{prefix}{name}".replace("_", "-")])
    return names


def flat(config: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a configuration to `group.field: value`, the names that `--help` shows.

    Tuples become space-separated text, as one would type them; None and paths become text.
    """
    fields = config.model_dump() if isinstance(config, Config) else config
    values: dict[str, Any] = {}
    for name, value in fields.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            values.update(flat(value, f"{key}."))
        elif isinstance(value, (tuple, list)):
            values[key] = " ".join(str(item) for item in value)
        elif value is None or isinstance(value, (str, int, float)):
            values[key] = value
        else:
            values[key] = str(value)
    return values
