"""Files of campaigns and portfolios: what `bidpilot solve` and `bidpilot pareto` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import KpiProfile
from bidpilot.bidding.errors import BidpilotError, InvalidConfig, UnknownProfile
from bidpilot.training.cli.config import Config
from bidpilot.training.cli.yaml_file import explain, load_mapping
from bidpilot.training.setting.profiles import find_profile

M = TypeVar("M", bound=BaseModel)

_REMOVED = "forecast_conversion_value"


class _Where(Config):
    """The market that a file is about, and the KPI profile on it."""

    market: Literal["daily", "steady"] = Field("daily", description="Preset of the synthetic market.")
    log: Path | None = Field(None, description="Folder of an imported auction log; relative to the file.")
    profile: str | None = Field(
        None,
        description="KPI profile: a name, the path of a YAML file relative to this one, or FILE#NAME in a file of "
        "several.",
    )


class CampaignFile(_Where):
    """A campaign on a market."""

    campaign: Campaign = Field(description="The campaign.")


class PortfolioFile(_Where):
    """A portfolio on a market; its other keys are those of `bidpilot.solvers.portfolio.Portfolio`."""

    model_config = ConfigDict(extra="allow")

    campaigns: tuple[dict[str, Any], ...] = Field(description="The owner's campaigns.")

    def terms(self) -> dict[str, Any]:
        """What the portfolio's own model takes."""
        return {**(self.model_extra or {}), "campaigns": self.campaigns}


def _kind(values: dict[str, Any]) -> str:
    return "portfolio" if "campaigns" in values else "campaign"


_FILE: TypeAdapter[CampaignFile | PortfolioFile] = TypeAdapter(
    Annotated[
        Annotated[CampaignFile, Tag("campaign")] | Annotated[PortfolioFile, Tag("portfolio")], Discriminator(_kind)
    ]
)
_MODELS: dict[str, type[BaseModel]] = {"campaign": CampaignFile, "portfolio": PortfolioFile}


def read_file(path: Path, profile_name: str | None = None) -> tuple[CampaignFile | PortfolioFile, KpiProfile | None]:
    """Read a campaign's or a portfolio's file, told apart by the key `campaigns`, and its KPI profile.

    The profile's preference is that of every campaign which states none of its own; one named by `profile_name`, with
    paths relative to where one is, stands in place of the file's and of what campaigns state.

    Raises:
        InvalidConfig: the file cannot be read, or has an unknown key; names the file.
        InvalidCampaign, InvalidPreference, UnknownProfile, InvalidProfile: likewise.
    """
    values = load_mapping(path)
    _check_removed(values, path)
    asked = profile_name is not None
    profile = _profile(values.get("profile"), path) if profile_name is None else find_profile(profile_name, Path())
    if profile is not None:
        values["profile"] = profile_name if asked else values["profile"]
        campaigns = values.get("campaigns", [values.get("campaign")])
        for campaign in campaigns if isinstance(campaigns, list) else []:
            if isinstance(campaign, dict):
                campaign["preference"] = profile.preference if asked else campaign.get("preference", profile.preference)
    kind = _kind(values)
    try:
        file = _FILE.validate_python(values)
    except ValidationError as error:
        # the tag stands first in every location; the model itself says the same without it
        validated(_MODELS[kind], values, path)
        raise InvalidConfig(f"{path}: {error}") from error
    except BidpilotError as error:
        raise type(error)(f"{path}: {error}") from None
    if file.log is not None:
        file = file.model_copy(update={"log": path.parent / file.log})
    return file, profile


def _check_removed(values: dict[str, Any], path: Path) -> None:
    campaigns = values.get("campaigns")
    parts = [values, values.get("campaign"), *(campaigns if isinstance(campaigns, list) else [])]
    if any(isinstance(part, dict) and _REMOVED in part for part in parts):
        raise InvalidConfig(
            f"{path}: {_REMOVED} is no key any more: the forecast knows what it holds conversions at. Delete it; what "
            "a conversion is worth to a campaign is its conversion_value."
        )


def validated(model: type[M], values: dict[str, Any], path: Path) -> M:
    """`values` of a file as a `model`.

    Raises:
        InvalidConfig: unknown keys and values out of range; names the file.
        BidpilotError: what the model itself raises, with the file's name.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidConfig(f"{path}: {explain(error, model)}") from None
    except BidpilotError as error:
        raise type(error)(f"{path}: {error}") from None


def _profile(name: object, path: Path) -> KpiProfile | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise InvalidConfig(f"{path}: profile = {name!r}: give a name or the path of a YAML file")
    try:
        return find_profile(name, path.parent)
    except UnknownProfile as error:
        raise UnknownProfile(f"{path}: {error}") from None
