"""Creatives of a campaign, by format. Each is checked as a whole when it is loaded, and serves once it is approved."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from bidpilot.bidding.errors import InvalidCreative
from bidpilot.serving.creatives.macros import check_macros
from bidpilot.serving.creatives.vast import check_vast, wrapped

_MOST = 65_536  # characters of markup
_INSECURE = re.compile(r"http://(?!www\.w3\.org/)", re.IGNORECASE)  # names of XML's own are no addresses
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_TAXONOMIES = range(1, 10)  # of AdCOM 1.0, List: Category Taxonomies
Size = Annotated[int, Field(ge=1, le=20_000)]


def insecure(text: str) -> bool:
    """Whether a text has an address that is not https."""
    return _INSECURE.search(text) is not None


class _Creative(BaseModel):
    """What all formats have.

    Raises:
        InvalidCreative: it cannot be shown as it is; the text names the creative, the cause and the remedy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crid: str = Field(min_length=1, max_length=256, description="creative id, as exchanges know it")
    adomain: tuple[str, ...] = Field(min_length=1, description="advertiser's domains, as shop.example")
    cat: tuple[str, ...] = Field((), description="content categories, by `cattax`")
    cattax: int = Field(1, description="taxonomy of `cat`: 1 is IAB Content Category 1.0 (AdCOM's list)")
    attr: tuple[int, ...] = Field((), description="creative attributes (AdCOM's list), as 1: audio plays by itself")
    api: int | None = Field(None, description="API framework that the player must have (AdCOM's list); none: none")
    language: str | None = Field(None, pattern="^[a-z]{2}$", description="ISO 639-1; none: not known")
    bundle: str | None = Field(None, min_length=1, description="the app that is advertised, by bundle or store id")
    approved_by: str | None = Field(None, min_length=1, description="who has approved it; none: it is not shown")
    approved_at: AwareDatetime | None = Field(None, description="from when on it may be shown, with a time zone")
    expires_at: AwareDatetime | None = Field(None, description="from when on it may not; none: it does not expire")

    @field_validator("adomain")
    @classmethod
    def _are_domains(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        domains = tuple(text.strip().lower().rstrip(".") for text in given)
        for domain in domains:
            if not _DOMAIN.fullmatch(domain):
                raise InvalidCreative(f"adomain {domain[:80]!r} is no domain. Write it alone, as shop.example.")
        return domains

    @model_validator(mode="after")
    def _can_serve(self) -> _Creative:
        if self.cattax not in _TAXONOMIES:
            self._refuse(f"cattax {self.cattax} is no taxonomy that is known", "Use one of 1 to 9 (AdCOM's list)")
        if self.approved_by is not None and self.approved_at is None:
            self._refuse(f"it is approved by {self.approved_by!r}, but not when", "Give approved_at")
        begin, end = self.approved_at, self.expires_at
        if begin is not None and end is not None and end <= begin:
            self._refuse(f"it expires at {end}, before it is approved at {begin}", "Turn them round")
        return self

    def _refuse(self, why: str, remedy: str) -> None:
        raise InvalidCreative(f"creative {self.crid[:80]!r} cannot be shown: {why}. {remedy}.")

    def _check_markup(self, text: str) -> None:
        """Checks of markup of any format."""
        if not text.strip() or len(text) > _MOST:
            self._refuse(f"its markup has {len(text)} characters", f"Give 1 to {_MOST}")
        if insecure(text):
            self._refuse("its markup has an address that begins with http://", "Use https")
        check_macros(self.crid, text)

    @property
    def begins(self) -> float:
        """From when on it may be shown, seconds since 1970; inf where nobody has approved it."""
        return math.inf if self.approved_by is None or self.approved_at is None else self.approved_at.timestamp()

    @property
    def ends(self) -> float:
        """From when on it may not, seconds since 1970."""
        return math.inf if self.expires_at is None else self.expires_at.timestamp()


class _Played(_Creative):
    """What videos and audios have."""

    mimes: tuple[str, ...] = Field(min_length=1, description="types of its media files, as video/mp4")
    duration: int = Field(ge=1, le=3600, description="how long it plays, seconds")
    adm: str | None = Field(None, description="VAST document; `${BIDPILOT_EVENT}` is the signed address of its events")
    vast_url: str | None = Field(None, description="https address of a VAST document, in place of `adm`")

    @property
    def markup(self) -> str:
        """The VAST document that is sent, with its macros."""
        return self.adm if self.adm is not None else wrapped(self.crid, self.vast_url or "")

    def _check_vast(self, size: tuple[int, int] | None) -> None:
        if (self.adm is None) == (self.vast_url is None):
            self._refuse("it has adm and vast_url, or neither", "Give one of them")
        if self.vast_url is not None and not self.vast_url.startswith("https://"):
            self._refuse(f"vast_url {self.vast_url[:80]!r} is no https address", "Use https")
        self._check_markup(self.markup)
        check_vast(self.crid, self.markup, None if self.adm is None else (self.mimes, self.duration, size))


class VideoCreative(_Played):
    """A video, as VAST."""

    format: Literal["video"]
    w: Size = Field(description="width of its media file, pixels")
    h: Size = Field(description="height of its media file, pixels")

    @model_validator(mode="after")
    def _whole(self) -> VideoCreative:
        self._check_vast((self.w, self.h))
        return self


class AudioCreative(_Played):
    """An audio, as VAST (which has taken DAAST in)."""

    format: Literal["audio"]

    @model_validator(mode="after")
    def _whole(self) -> AudioCreative:
        self._check_vast(None)
        return self


class BannerCreative(_Creative):
    """A banner, as HTML."""

    format: Literal["banner"]
    w: Size = Field(description="width, pixels")
    h: Size = Field(description="height, pixels")
    adm: str = Field(description="HTML; `${BIDPILOT_EVENT}` is the signed address of its events")
    mime: str | None = Field(None, description="type of its media, as image/jpeg; none: not told")
    type: int | None = Field(None, ge=1, le=4, description="banner type, as `btype` has it: 1 text to 4 iframe")

    @model_validator(mode="after")
    def _whole(self) -> BannerCreative:
        self._check_markup(self.adm)
        return self


class NativeImage(BaseModel):
    """An image of a native advertisement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern="^https://[^ ]+$", description="https address")
    w: Size = Field(description="width, pixels")
    h: Size = Field(description="height, pixels")
    type: Literal[1, 3] = Field(3, description="1 for an icon, 3 for the main image (OpenRTB Native 1.2)")


class NativeCreative(_Creative):
    """A native advertisement, made of its assets."""

    format: Literal["native"]
    title: str = Field(min_length=1, max_length=140, description="its title")
    images: tuple[NativeImage, ...] = Field((), description="its images")
    data: dict[int, str] = Field({}, description="texts by type of OpenRTB Native 1.2: 1 sponsor, 2 text")
    link: str = Field(pattern="^https://[^ ]+$", description="https address that a tap leads to")

    @model_validator(mode="after")
    def _whole(self) -> NativeCreative:
        self._check_markup(" ".join([self.title, self.link, *(i.url for i in self.images), *self.data.values()]))
        return self


AnyCreative = Annotated[VideoCreative | BannerCreative | AudioCreative | NativeCreative, Field(discriminator="format")]
