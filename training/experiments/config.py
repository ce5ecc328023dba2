"""Configuration of `bidpilot ab plan`, `run`, `analyse` and `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, Positive, Seed, json_file

if TYPE_CHECKING:
    from bidpilot.training.experiments.verdict import Terms

Level = Annotated[float, Field(gt=0, lt=1)]
Pair = tuple[str, str]
_ARM: Final = "a controller, constant, LEARNER@RUN or choice@RUN, perhaps with *FACTOR, which scales its bids"
_EXPERIMENT: Final = "Name of the MLflow experiment."
_SUITE: Final = (
    "Suite by name, of days that share nothing and of one campaign, such as daily, steady, shift or invalid."
)
_PAST: Final = (
    "File of past units whose arms were alike, as `ab plan --out` writes it: what covariates explain is learnt from it."
)


class JudgedConfig(Config):
    """What is agreed before an experiment begins."""

    alpha: Level = Field(0.05, description="Share of experiments on equal arms that may find a difference at any look.")
    guard_alpha: Level = Field(0.01, description="The same for each guardrail.")
    horizon: Positive = Field(28.0, description="Units at which intervals are narrowest: the planned duration.")
    worth: Level = Field(0.01, description="Relative difference below which nobody would change anything.")
    tolerated: Level = Field(
        0.05,
        description="Relative loss of expected or realised KPI, and rise of CPA, beyond which it is stopped for harm.",
    )
    tolerated_invalid: Level = Field(0.01, description="Rise of the share of invalid wins beyond which it is, too.")

    def terms(self) -> Terms:
        """As what verdicts are given by."""
        from bidpilot.training.experiments.verdict import Terms

        return Terms(**{name: getattr(self, name) for name in JudgedConfig.model_fields})


class PlanConfig(Config):
    """Say how long an experiment takes, and what it can find, from how much equal arms differed on past days."""

    basic: ClassVar[tuple[str, ...]] = ("suite", "arm", "past", "effect", "durations", "out")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot ab plan --effect 0.02 --out past.json",
        "bidpilot ab plan --past past.json --durations 14 21",
    )

    suite: str = Field("daily", description=_SUITE)
    arm: str = Field("mpc", description=f"What bids in both arms: {_ARM}.")
    past: Path | None = Field(None, description="File of past units whose arms were alike, in place of played ones.")
    days: Count = Field(512, description="Past days that are played where no file is given.")
    treated_share: Level = Field(0.5, description="Share of users and money that the treated arm is to have.")
    effect: Level = Field(0.02, description="Relative effect that is to be found.")
    durations: tuple[Count, ...] = Field(
        (14, 28, 56), min_length=1, description="Days whose least effect is asked for."
    )
    power: Level = Field(0.8, description="Probability that an effect is found.")
    alpha: Level = Field(0.05, description="Share of experiments on equal arms that may find a difference at any look.")
    seed: Seed = Field(0, description="Seed of the past days.")
    out: Path | None = Field(None, description="File to keep the past units in, .json or .parquet, for `--past`.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)


class RunConfig(JudgedConfig):
    """Play an experiment in the simulator: two arms, each with its own users and its own money."""

    basic: ClassVar[tuple[str, ...]] = ("arms", "suite", "design", "days", "past", "out")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot ab run --arms plan mpc --past past.json --out experiment.json",
        "bidpilot ab run --arms plan plan*1.5 --design shared",
    )

    arms: Pair = Field(("plan", "mpc"), description=f"Control and treated arm, each {_ARM}.")
    suite: str = Field("daily", description=_SUITE)
    design: Literal["split", "switchback", "shared"] = Field(
        "split",
        description="split: users and money are split; switchback: pairs of days in a random order, one for each arm; "
        "shared: users are split and the money is not, which shows how signs turn, and is for nothing else.",
    )
    days: Count = Field(28, description="Days that are played; a unit of a switchback takes two.")
    treated_share: Level = Field(0.5, description="Share of users and money that the treated arm has, of a split.")
    past: Path | None = Field(None, description=_PAST)
    seed: Seed = Field(0, description="Seed of the days and of the split.")
    out: Path | None = Field(None, description="File to keep the units in, .json or .parquet, for `ab analyse`.")
    figure: FigureFile = Field(None, description="File to draw the interval after each unit to, as PNG.")
    json_file: JsonFile = json_file("what was found")
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)


class AnalyseConfig(JudgedConfig):
    """Say what an experiment has shown so far, by intervals that hold at every look, and whether to go on."""

    basic: ClassVar[tuple[str, ...]] = ("arms", "past", "horizon", "worth", "figure")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot ab analyse experiment.json --past past.json",
        "bidpilot ab analyse decisions --json won.json",
    )

    rows: tyro.conf.Positional[Path] = Field(
        description="File of units as `ab run` writes it, or folder of decision logs, where arms are those of the "
        "experiment that was served, or campaigns."
    )
    of: str | None = Field(
        None, min_length=1, description="Experiment of the decision logs, where several were served."
    )
    arms: tuple[str, ...] = Field((), description="Control and treated arm; as the file says where none.")
    key_file: Path | None = Field(None, description="The server's --key-file, where its log is encrypted.")
    preference: tuple[float, float, float] | None = Field(
        None, description="Weights of exposures, interactions, conversions for decision logs; the usual where none."
    )
    past: Path | None = Field(None, description=_PAST)
    figure: FigureFile = Field(None, description="File to draw the interval after each unit to, as PNG.")
    json_file: JsonFile = json_file("what was found")
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)


class SimulateConfig(JudgedConfig):
    """Hold the analysis to its bars: many experiments on equal arms, with an effect, with harm, with a broken split."""

    basic: ClassVar[tuple[str, ...]] = ("experiments", "days", "pool", "effect", "figure", "json_file")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot ab simulate --experiments 1000 --figure experiments.png",)

    experiments: Count = Field(1000, description="Experiments of each kind.")
    days: Annotated[int, Field(ge=2)] = Field(60, description="Days of each, with a look after every one.")
    pool: Annotated[int, Field(ge=32)] = Field(
        1024, description="Days that are played; experiments draw from one half, the other is their past."
    )
    effect: Level = Field(0.02, description="Relative effect that is to be found.")
    harm: Level = Field(0.10, description="Relative loss that is to be stopped.")
    suite: str = Field("daily", description=_SUITE)
    arm: str = Field("mpc", description=f"What bids in both arms: {_ARM}.")
    seed: Seed = Field(0, description="Seed of the days and of the experiments.")
    figure: FigureFile = Field(None, description="File to draw the figure to, as PNG.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description=_EXPERIMENT)
