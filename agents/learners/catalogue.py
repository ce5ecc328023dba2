"""The learners by name. A new one is its folder, and here a line in three places; nothing else names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, Field, model_validator

from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.recurrent_ppo.config import RecurrentPpoConfig

if TYPE_CHECKING:
    from bidpilot.agents.learners.common.learner import Learner


@dataclass(frozen=True)
class Entry:
    """One learner; it is loaded, and its training library with it, when something is trained and not before."""

    config: LearnerConfig  # its defaults
    target: str  # "module:name" of its `Learner`
    summary: str
    experimental: bool = False  # not tuned with the others: no gain has been shown

    def load(self) -> Learner[Any]:
        """The learner itself."""
        module, _, name = self.target.partition(":")
        learner: Learner[Any] = getattr(import_module(module), name)
        return learner


LearnerName = Literal["ppo", "recurrent_ppo"]
LEARNERS: Final[Mapping[LearnerName, Entry]] = MappingProxyType(
    {
        "ppo": Entry(PpoConfig(), "bidpilot.agents.learners.ppo.learner:LEARNER", "PPO's hyperparameters."),
        "recurrent_ppo": Entry(
            RecurrentPpoConfig(),
            "bidpilot.agents.learners.recurrent_ppo.learner:LEARNER",
            "Experimental: the hyperparameters of PPO with memory, an LSTM over the slots of a day.",
            experimental=True,
        ),
    }
)
DEFAULT: Final[LearnerName] = "ppo"
WITH_MEMORY: Final[LearnerName] = "recurrent_ppo"
"""The learner that remembers the slots of a day."""


class LearnerChoice(BaseModel):
    """Which learner trains, and each one's hyperparameters."""

    learner: LearnerName = Field(DEFAULT, description="What trains the policy; recurrent_ppo is experimental.")
    ppo: PpoConfig = Field(PpoConfig(), description=LEARNERS["ppo"].summary)
    recurrent_ppo: RecurrentPpoConfig = Field(RecurrentPpoConfig(), description=LEARNERS["recurrent_ppo"].summary)

    @property
    def settings(self) -> LearnerConfig:
        """The hyperparameters of the learner that trains."""
        settings: LearnerConfig = getattr(self, self.learner)
        return settings

    @property
    def others(self) -> set[str]:
        """The learners that do not train."""
        return {name for name in LEARNERS if name != self.learner}

    @model_validator(mode="after")
    def _no_others(self) -> LearnerChoice:
        for name, entry in LEARNERS.items():
            if name != self.learner and getattr(self, name) != entry.config:
                raise ValueError(
                    f"{name} is given hyperparameters and {self.learner} is trained: give learner = {name}, or leave "
                    "them out"
                )
        return self


def learner_of(described: Mapping[str, Any]) -> str:
    """The learner of a training run, by its tags or `policy.json`; runs from when there was one do not say."""
    return str(described.get("learner", DEFAULT))
