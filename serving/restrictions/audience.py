"""Whom a campaign may be shown to, by its own word: age, region, consent. Minors are never bid on unless it says so."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.restrictions.person import Person

_REGION, _PART = re.compile(r"[A-Z]{3}(-[A-Z0-9]{1,3})?"), re.compile(r"[A-Z0-9]{1,3}")


class Audience(BaseModel):
    """Rules of one campaign. What cannot be told to be allowed is not bid on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_age: int | None = Field(None, ge=0, le=120, description="years; who may be younger is not bid on")
    most_age: int | None = Field(None, ge=0, le=120, description="years; who may be older is not bid on")
    age_told: bool = Field(False, description="True where a request that does not tell the age is not bid on")
    regions: tuple[str, ...] = Field((), description="where it may be shown, as DEU or USA-CA; none: anywhere")
    not_regions: tuple[str, ...] = Field((), description="where it may not, as DEU or USA-CA")
    consent: bool = Field(False, description="True where it needs a consent string when the GDPR holds")

    @field_validator("regions", "not_regions")
    @classmethod
    def _are_regions(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            if not _REGION.fullmatch(text):
                raise InvalidServing(
                    f"{text[:80]!r} is no region. Write a country in three letters (ISO 3166-1), as DEU, or with its "
                    "part (ISO 3166-2), as USA-CA."
                )
        return given

    @model_validator(mode="after")
    def _is_a_span(self) -> Audience:
        if self.least_age is not None and self.most_age is not None and self.most_age < self.least_age:
            raise InvalidServing(f"ages from {self.least_age} to {self.most_age} are nobody's. Turn them round.")
        return self

    def against(self, person: Person, now: float) -> str | None:
        """Why somebody may not be bid on at `now` (seconds since 1970); None where it may be."""
        if self.consent and not person.consent.told:
            return "no_consent"
        if self.least_age is not None or self.most_age is not None or self.age_told:
            age = person.age(now)
            if age is None:
                if self.age_told:
                    return "age_unknown"
            elif age < (self.least_age or 0) or (self.most_age is not None and age + 1 > self.most_age):
                return "age"  # the year of birth leaves two ages, and each must be allowed
        return self._outside(person) if self.regions or self.not_regions else None

    def _outside(self, person: Person) -> str | None:
        found = person.region
        if found is None:
            return "region_unknown"
        country, part = found
        names = {country, f"{country}-{part}"}
        known = _PART.fullmatch(part) is not None
        for listed, wanted in ((self.regions, True), (self.not_regions, False)):
            if not listed:
                continue
            within = not names.isdisjoint(listed)
            if not within and not known and any(name.startswith(f"{country}-") for name in listed):
                return "region_unknown"
            if within is not wanted:
                return "region"
        return None
