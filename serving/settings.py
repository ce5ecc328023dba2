"""What a campaign is served with: the file's settings, and on top of them what operators have ordered since.

One rule. The file and the command line are the truth of what is served at a start. An order holds on top of them only
while the value in the file is the one that it changed. Orders of one campaign, by name:

    file/NAME              the settings of the file, as the last start found them; null where it has no such campaign
    campaign/NAME          the campaign as a whole: put where the file has none, put again, or deleted (null)
    campaign/NAME/FIELD    one setting, such as paused or campaign.budget

What is served is a function of these alone, so that all bidders of a store serve the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import ValidationError

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BidpilotError, InvalidServing
from bidpilot.serving.ledger.store import Order
from bidpilot.serving.served import ServedCampaign

KILL = "kill"
FILE = "the file"
"""Who has ordered what the file says."""

_IN = "campaign."
_OF_A_DAY = "elsewhere"  # which the file does not say, but the ledger as a server starts
FIELDS = (
    *(field for field in ServedCampaign.model_fields if field not in ("name", "campaign")),
    *(f"{_IN}{field}" for field in Campaign.model_fields),
)
"""Settings that are ordered one by one."""

Flat = dict[str, Any]
"""Settings by field, as JSON has them."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of an order."""

    by: str
    at: float  # seconds since 1970
    value: Any = None  # what is ordered
    file: Any = None  # what the file had in its place
    was: Flat | None = None  # the settings of a campaign that is deleted, for what is still told of it
    void: bool = False  # True where it holds no longer

    def text(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()

    def signed(self) -> str:
        """Who has ordered it, and when."""
        return f"{self.by or 'somebody'}, {datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def file_key(name: str) -> str:
    """The name of the order that tells a campaign's settings in the file."""
    return f"file/{name}"


def whole_key(name: str) -> str:
    """The name of orders of a campaign as a whole."""
    return f"campaign/{name}"


def field_key(name: str, field: str) -> str:
    """The name of orders of one setting."""
    return f"campaign/{name}/{field}"


def campaign_of(order: str) -> str | None:
    """Whose order that is by its name; None where it is of no campaign."""
    kind, _, rest = order.partition("/")
    return rest.partition("/")[0] if kind in ("file", "campaign") and rest else None


def flat(served: ServedCampaign) -> Flat:
    """The settings of a campaign by field."""
    parts = served.model_dump(mode="json", exclude={"name"})
    return parts | {f"{_IN}{field}": value for field, value in parts.pop("campaign").items()}


def unflat(name: str, settings: Flat) -> ServedCampaign:
    """The campaign of these settings.

    Raises:
        InvalidServing: there can be none.
    """
    outer = {field: value for field, value in settings.items() if not field.startswith(_IN)}
    inner = {field[len(_IN) :]: value for field, value in settings.items() if field.startswith(_IN)}
    try:
        return ServedCampaign.model_validate(outer | {"name": name, "campaign": inner})
    except (ValidationError, BidpilotError) as error:
        why = " ".join(str(error).split())[:400]
        raise InvalidServing(
            f"the settings that are stored of campaign {name!r} cannot be served ({why}). Change what the file of "
            "--campaigns says of it (where it says nothing, give it an entry of that name), and the file's settings "
            "are served."
        ) from error


def read(order: Order | None) -> Said | None:
    """What an order says; None where there is none.

    Raises:
        InvalidServing: it cannot be read.
    """
    if order is None:
        return None
    try:
        return msgspec.json.decode(order.text, type=Said)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidServing(
            f"the order {order.name!r} that is stored cannot be read ({error}): another version wrote it, or it is "
            "damaged. Serve with that version, or give another --state (another database, with --redis)."
        ) from error


@dataclass(frozen=True)
class Resolved:
    """A campaign by the file and the orders."""

    settings: Flat | None  # None where it is not served
    last: Flat | None  # what it was served with last, where it is not
    on_top: tuple[str, ...] = ()  # orders that hold where the file says otherwise, by name
    stale: tuple[str, ...] = ()  # orders that hold no longer, by name


def resolve(name: str, order: Callable[[str], Order | None]) -> Resolved:
    """What a campaign is served with; `order` finds the last order of a name.

    Raises:
        InvalidServing: an order cannot be read.
    """
    said = read(order(file_key(name)))
    file: Flat | None = None if said is None else said.value
    last = None if said is None else said.was
    base, since = file, 0
    on_top, stale = [], []
    whole = order(whole_key(name))
    if whole is not None:
        told, since = _known(whole), whole.version
        if not told.void and same(told.file, file):
            base, last = told.value, told.was or last
            on_top.append(whole.name)
        elif not told.void:
            stale.append(whole.name)
    settings = None if base is None else dict(base)
    for field in FIELDS:
        one = order(field_key(name, field))
        if one is None or one.version < since:
            continue
        told = _known(one)
        if told.void:
            continue
        if settings is None or told.file != (None if file is None else file.get(field)):
            stale.append(one.name)
            continue
        settings[field] = told.value
        if file is not None and told.value != file.get(field):
            on_top.append(one.name)
    return Resolved(settings, None if settings is not None else last, tuple(on_top), tuple(stale))


def in_force(served: ServedCampaign, order: Callable[[str], Order | None]) -> ServedCampaign | None:
    """A campaign of the file with the orders that hold on top; None where it was deleted.

    Raises:
        InvalidServing: an order cannot be read, or the campaign not be served.
    """
    told = Order(0, file_key(served.name), Said(FILE, 0.0, flat(served)).text())
    found = resolve(served.name, lambda name: told if name == told.name else order(name))
    return None if found.settings is None else unflat(served.name, found.settings)


def same(before: Flat | None, now: Flat | None) -> bool:
    """Whether the file says what it said before; a setting that an earlier version did not know is no change."""
    if before is None or now is None:
        return before is now
    return all(field in now and now[field] == value for field, value in before.items() if field != _OF_A_DAY)


def changes(before: Flat | None, now: Flat) -> Iterable[str]:
    """What of the file's settings differs from what it had at the start before."""
    for field, value in now.items():
        if before is not None and field in before and before[field] != value and field != _OF_A_DAY:
            yield f"{field} is {text(value)} in the file, and was {text(before[field])} at the start before"


def text(value: object) -> str:
    """A setting, short."""
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _known(order: Order) -> Said:
    said = read(order)
    assert said is not None
    return said
