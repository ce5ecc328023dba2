"""What an operator's request changes of a campaign's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.creatives.old import OldCreative
from bidpilot.serving.planned import budget_order
from bidpilot.serving.served import ServedCampaign

Given = Callable[[ServedCampaign | None, float], Mapping[str, Any]]
"""What changes of a campaign (None: one that is new) that has a share of an amount, as the body of PUT has it."""


def settings_of(body: bytes, name: str) -> dict[str, Any]:
    """The settings that PUT /admin/campaigns/NAME gives a campaign.

    Raises:
        InvalidServing: they are of a campaign of another name.
        msgspec.MsgspecError: the body is none.
    """
    given: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if given.pop("name", name) != name:
        raise InvalidServing("the body has another name than the address. Leave it out.")
    return given


def changed(served: ServedCampaign | None, share: float, *, action: str, body: bytes, today: date) -> dict[str, Any]:
    """The settings that POST /admin/campaigns/NAME/ACTION gives a campaign, which has a `share` of an amount.

    Raises:
        InvalidServing, InvalidFlight: there is no such action or campaign, or it cannot be done.
        msgspec.MsgspecError: the body is none.
    """
    if action in ("pause", "resume"):
        return {"paused": action == "pause"}
    if action == "budget" and served is not None:
        return budget_order(served, body, today, share)
    raise InvalidServing(f"a campaign cannot be asked to {action[:80]!r}. Use pause, resume or budget.")


def merged(
    before: ServedCampaign | None, name: str, given: Mapping[str, Any], usual: Campaign
) -> tuple[ServedCampaign, list[str]]:
    """A campaign with the settings that are `given`, and the fields that these are; `usual`: of one that is new.

    Raises:
        InvalidServing: they cannot be served.
        pydantic.ValidationError: they are none.
    """
    given = dict(given)
    campaign = given.pop("campaign", {})
    if not isinstance(campaign, dict):
        raise InvalidServing(f"campaign is {str(campaign)[:80]!r}. Give an object of its settings.")
    if "budget" in campaign and before is not None and before.planned is not None:
        given.setdefault("planned", None)  # the last word: what was planned goes with the budget that it was for
    if "creatives" in given and "creative" not in given:
        given["creative"] = OldCreative().model_dump(mode="json")  # which would stand alone
    base = usual if before is None else before.campaign
    rest = {} if before is None else before.model_dump(mode="json", exclude={"name", "campaign"})
    whole = rest | given | {"name": name, "campaign": base.model_dump(mode="json") | campaign}
    return ServedCampaign.model_validate(whole), [*given, *(f"campaign.{field}" for field in campaign)]
