"""Amounts that a campaign is given: what is checked of them before any work."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from bidpilot.bidding.errors import InvalidCampaign


def _positive(value: float, info: ValidationInfo) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InvalidCampaign(f"{info.field_name} must be positive and finite; got {value}. Give an amount above 0.")
    return value


def _share(value: float, info: ValidationInfo) -> float:
    if not 0 <= value <= 1:
        raise InvalidCampaign(f"{info.field_name} is a share between 0 and 1; got {value}. Give such a share.")
    return value


Positive = Annotated[float, AfterValidator(_positive)]
Share = Annotated[float, AfterValidator(_share)]
