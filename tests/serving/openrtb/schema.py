"""The bid response of OpenRTB 2.6 (section 4.2), as models: each field by its type, nothing beside them.

`schema()` is its JSON schema. What the specification says of fields together is checked beside their types.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Field(min_length=1)


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    ext: dict[str, Any] | None = None


class Bid(_Object):
    """4.2.3"""

    id: str = Text
    impid: str = Text
    price: float = Field(gt=0)
    nurl: str | None = None
    burl: str | None = None
    lurl: str | None = None
    adm: str | None = None
    adid: str | None = None
    adomain: list[str] | None = None
    bundle: str | None = None
    iurl: str | None = None
    cid: str | None = None
    crid: str | None = None
    tactic: str | None = None
    cattax: int | None = Field(None, ge=1)
    cat: list[str] | None = None
    attr: list[int] | None = None
    apis: list[int] | None = None
    api: int | None = None
    protocol: int | None = Field(None, ge=1, le=16)
    qagmediarating: int | None = None
    language: str | None = Field(None, min_length=2, max_length=2)
    langb: str | None = None
    dealid: str | None = None
    w: int | None = Field(None, ge=1)
    h: int | None = Field(None, ge=1)
    wratio: int | None = None
    hratio: int | None = None
    exp: int | None = Field(None, ge=1)
    dur: int | None = Field(None, ge=1)
    mtype: int | None = Field(None, ge=1, le=4)
    slotinpod: int | None = None

    @model_validator(mode="after")
    def _together(self) -> Bid:
        assert self.adm is None or self.mtype is not None, "markup is told by its type"
        assert self.language is None or self.langb is None, "one of language and langb"
        assert (self.w is None) == (self.h is None)
        return self


class SeatBid(_Object):
    """4.2.2"""

    bid: list[Bid] = Field(min_length=1)
    seat: str | None = None
    group: int | None = None


class BidResponse(_Object):
    """4.2.1"""

    id: str  # the request's, be it empty
    seatbid: list[SeatBid] | None = None
    bidid: str | None = None
    cur: str | None = Field(None, pattern="^[A-Z]{3}$")
    customdata: str | None = None
    nbr: int | None = None

    @model_validator(mode="after")
    def _says_something(self) -> BidResponse:
        assert self.seatbid or self.nbr is not None, "an empty response says why"
        return self


def schema() -> dict[str, Any]:
    """As JSON schema."""
    return BidResponse.model_json_schema()
