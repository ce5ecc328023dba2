"""What a bid server says of the experiments in its decision log: their arms, and of which run each arm's bundle is."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import InvalidExperiment

_FILES = "experiment-*.json"


class ServedArm(BaseModel):
    """An arm as it was served."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    share: float = Field(gt=0, lt=1)  # of users and money
    run: str  # that its bundle was exported of
    agent: str
    digest: str
    campaigns: tuple[str, ...] = ()  # that it was served as


class ServedExperiment(BaseModel):
    """An experiment as it was served."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    control: str
    arms: tuple[ServedArm, ...] = Field(min_length=2)

    def arm(self, name: str) -> ServedArm:
        """The arm of a name.

        Raises:
            InvalidExperiment: there is none.
        """
        found = next((arm for arm in self.arms if arm.name == name), None)
        if found is None:
            raise InvalidExperiment(f"{self.name} has no arm {name!r}; there are {self._names}. Name those.")
        return found

    def pair(self, arms: tuple[str, ...]) -> tuple[ServedArm, ServedArm]:
        """Control and treated arm: the named ones, or the control and the only other.

        Raises:
            InvalidExperiment: one is not there, or several could be meant.
        """
        if not arms and len(self.arms) == 2:
            arms = (self.control, next(arm.name for arm in self.arms if arm.name != self.control))
        if len(arms) != 2 or arms[0] == arms[1]:
            raise InvalidExperiment(
                f"{self.name} has the arms {self._names}, and two are compared. Give --arms CONTROL TREATED."
            )
        return self.arm(arms[0]), self.arm(arms[1])

    @property
    def _names(self) -> str:
        return ", ".join(arm.name for arm in self.arms)


def served_experiment(folder: Path, name: str | None = None) -> ServedExperiment | None:
    """The experiment of a decision log: the named one, or the only one; None where the log has none.

    Raises:
        InvalidExperiment: it is not there, several are, or its file cannot be read.
    """
    found = {path.stem.removeprefix("experiment-"): path for path in sorted(folder.rglob(_FILES))}
    if name is None:
        if len(found) > 1:
            raise InvalidExperiment(f"{folder} has the experiments {', '.join(found)}. Name one: --of NAME.")
        name = next(iter(found), None)
    if name is None:
        return None
    if name not in found:
        raise InvalidExperiment(
            f"{folder} has no experiment {name!r}; there is {', '.join(found) or 'none'}. Name that."
        )
    return _read(found[name])


def share_of(campaign: str, *folders: Path) -> float:
    """The share of the traffic that a campaign of decision logs had: an arm's, else 1.

    Raises:
        InvalidExperiment: the file of an experiment cannot be read.
    """
    arms = (arm for folder in folders for path in sorted(folder.rglob(_FILES)) for arm in _read(path).arms)
    return next((arm.share for arm in arms if campaign in arm.campaigns), 1.0)


def _read(path: Path) -> ServedExperiment:
    try:
        return ServedExperiment.model_validate_json(path.read_text())
    except (OSError, ValueError, ValidationError) as error:
        raise InvalidExperiment(f"{path} cannot be read ({error}). It is written by `bidpilot serve`.") from error
