"""What a campaign asks for, as options of a command: fields of the campaign itself, none of them typed again here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, create_model, model_validator

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.calendar import NamedEvent, read_events
from bidpilot.training.cli.config import Config
from bidpilot.training.cli.options import GROUP

C = TypeVar("C", bound=Config)

ANSWERED: Final = frozenset({"budget", "conversion_value", "auction", "feedback", "delays"})
"""Fields that a market or a recorded day answers, so that nobody asks for them. Every other field is a term."""
TERMS: Final = tuple(name for name in Campaign.model_fields if name not in ANSWERED)


def _with_terms(model: type[C]) -> type[C]:
    """`model` with the campaign's terms as fields; None, the default of each, leaves the campaign's own in place."""
    fields: dict[str, Any] = {}
    for name in TERMS:
        own = Campaign.model_fields[name]
        kind: Any = Annotated[(own.annotation, *own.metadata)] if own.metadata else own.annotation
        description = f"{_first_capital(str(own.description))}; the campaign's own where none."
        fields[name] = (kind | None, Field(None, description=description, json_schema_extra={GROUP: "campaign"}))
    return create_model(model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields)


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@_with_terms
class CampaignTerms(Config):
    """Preference, scalarisation and constraints in place of a campaign's own.

    Raises:
        InvalidCampaign, InvalidPreference: a term is none that a campaign may have.
    """

    def terms(self) -> dict[str, Any]:
        """The terms that were given, by field of the campaign."""
        values = {name: getattr(self, name) for name in TERMS}
        return {name: value for name, value in values.items() if value is not None}

    def agreed(self, campaign: Campaign) -> Campaign:
        """`campaign` with the given terms in place of its own."""
        return Campaign.model_validate({**campaign.model_dump(), **self.terms()})

    @model_validator(mode="after")
    def _are_a_campaigns(self) -> CampaignTerms:
        # The campaign checks its own terms; what it may spend makes no difference to them.
        Campaign.model_validate({"budget": 1.0, **self.terms()})
        return self


class LogTerms(CampaignTerms):
    """The same where a log may be played, whose days record targets of their own."""

    targets: bool = Field(
        True,
        description="Whether a log's days have the target costs that they record; one that is given here is that of "
        "every day instead.",
    )
    calendar: Path | None = Field(
        None,
        description="JSON file of named events by the dates of a log's days (sales, holidays, planned pushes), with "
        "the factor that is expected of each and its doubt.",
    )

    def events(self) -> tuple[NamedEvent, ...]:
        """What the calendar names.

        Raises:
            InvalidCalendar: the file cannot be read.
        """
        return () if self.calendar is None else read_events(self.calendar)


def terms_of(campaign: Campaign) -> dict[str, Any]:
    """The terms of a campaign as they are stored with a run, by field."""
    return campaign.model_dump(mode="json", include=set(TERMS))
