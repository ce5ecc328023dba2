"""The file of `--experiment`: what is compared, in which shares, and by whose bundles."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.serving.incidents.policy import read_mapping

_SHARES = 1e-9  # that they may miss a sum of 1 by
_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}")
Word = Annotated[str, Field(pattern=f"^{_WORD.pattern}$")]


class ArmEntry(BaseModel):
    """One arm: its share of the users and of the money, and who decides for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Word = Field(description="in logs, metrics and names of accounts")
    share: float = Field(gt=0, lt=1, description="share of the users and of the money")
    bundle: Path | None = Field(None, description="folder of its bundle, from the file's own; none: the served one")


class ExperimentFile(BaseModel):
    """An experiment. It cannot be changed while it runs: another one has another name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word = Field(description="in the decision log, in orders and metrics")
    campaigns: tuple[str, ...] = Field(("default",), min_length=1, description="whose users and money are split")
    arms: tuple[ArmEntry, ...] = Field(min_length=2, max_length=8, description="two or more; shares sum to 1")
    control: str = Field("control", description="the arm that others are held against")
    key_file: Path | None = Field(
        None,
        description="file of the secret that users are hashed with; none: BIDPILOT_EXPERIMENT_KEY, or one that is made "
        "in the state folder",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> ExperimentFile:
        names = [arm.name for arm in self.arms]
        for what, given in (("arm", names), ("campaign", list(self.campaigns))):
            twice = [name for name, count in Counter(given).items() if count > 1]
            if twice:
                raise InvalidExperiment(f"the {what} {twice[0]!r} is there more than once. Name each once.")
        if self.control not in names:
            raise InvalidExperiment(
                f"the control is {self.control!r}, which is no arm; there are {', '.join(names)}. Name one of them."
            )
        total = math.fsum(arm.share for arm in self.arms)
        if abs(total - 1.0) > _SHARES:
            raise InvalidExperiment(f"the shares of the arms sum to {total:.9g}. Give shares that sum to 1.")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the arms, in their order."""
        return tuple(arm.share for arm in self.arms)

    @property
    def order(self) -> str:
        """The name of the order that tells of it."""
        return f"{ORDERS}{self.name}"


ORDERS = "experiment/"
"""What names of orders that tell of experiments begin with."""


def read_experiment(path: Path) -> ExperimentFile:
    """Read the file, JSON or YAML; folders and files in it are from its own folder.

    Raises:
        InvalidExperiment: it cannot be read, or is none.
    """
    try:
        found = ExperimentFile.model_validate(read_mapping(path))
    except (ValidationError, ValueError) as error:
        why = " ".join(str(error).split())[:400]
        raise InvalidExperiment(
            f"{path} is no experiment ({why}). Write name, arms with name, share and bundle, and campaigns."
        ) from error
    at = path.parent
    arms = tuple(a if a.bundle is None else a.model_copy(update={"bundle": at / a.bundle}) for a in found.arms)
    key = None if found.key_file is None else at / found.key_file
    return found.model_copy(update={"arms": arms, "key_file": key})


def arm_campaign(campaign: str, arm: str) -> str:
    """The name of the campaign that an arm of a campaign is served as: it has its own account, orders and log."""
    return f"{campaign}.{arm}"


def whole_campaign(name: str) -> str:
    """The campaign whose arm is served under this name."""
    return name.rpartition(".")[0]
