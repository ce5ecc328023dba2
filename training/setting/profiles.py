"""Files of named KPI profiles, a platform's name each, beside those that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bidpilot.bidding.campaign.profile import KpiProfile, named_profile, named_profiles
from bidpilot.bidding.errors import BidpilotError, InvalidConfig, UnknownProfile
from bidpilot.training.cli.yaml_file import explain, load_mapping

PLACE = "#"
"""What stands between a file of named profiles and the name in it: FILE#NAME."""


def read_profiles(path: Path) -> dict[str, KpiProfile]:
    """The profiles of a file, by name.

    Raises:
        InvalidConfig: the file cannot be read, or an entry is no profile; names the file and the entry.
        InvalidProfile, InvalidPreference: likewise.
    """
    return {name: profile_of(entry, f"{path}, profile {name}") for name, entry in load_mapping(path).items()}


def write_profile(path: Path, name: str, profile: KpiProfile) -> None:
    """Put a profile into a file under its name; the file's others stay.

    Raises:
        InvalidConfig: what is there is no file of profiles.
    """
    profiles = read_profiles(path) if path.is_file() else {}
    values = {known: stored.model_dump(mode="json") for known, stored in (profiles | {name: profile}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def find_profile(reference: str, folder: Path) -> KpiProfile:
    """A profile as it is referred to: by a name of the package, by a file of one, or by FILE#NAME in a file of several.

    Args:
        reference: name, path or both.
        folder: what paths are relative to.

    Raises:
        UnknownProfile: no such profile; names the nearest.
        InvalidConfig, InvalidProfile, InvalidPreference: the file's faults, with its name.
    """
    place, several, name = reference.partition(PLACE)
    path = folder / place
    if several:
        profiles = read_profiles(path)
        if name in profiles:
            return profiles[name]
        near = get_close_matches(name, profiles, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(profiles) or 'none'}."
        raise UnknownProfile(f"{path} has no KPI profile {name!r}. {hint}")
    if reference in named_profiles() or not path.is_file():
        return named_profile(reference)
    return profile_of(load_mapping(path), str(path))


def profile_of(values: Any, where: str) -> KpiProfile:
    """The profile of an entry; `where` names its place in errors.

    Raises:
        InvalidConfig, InvalidProfile, InvalidPreference: the entry is none.
    """
    if not isinstance(values, Mapping):
        raise InvalidConfig(f"{where}: {values!r} is no profile. Give weights and preference.")
    try:
        return KpiProfile.model_validate(values)
    except ValidationError as error:
        raise InvalidConfig(f"{where}: {explain(error, KpiProfile)}") from None
    except BidpilotError as error:
        raise type(error)(f"{where}: {error}") from None
