"""The fields of a bid request that tell users apart. They are decoded only where an experiment is served.

An id is hashed and forgotten: it is neither kept nor logged, nor is its hash.
"""

from __future__ import annotations

import msgspec

from bidpilot.serving.messages import BidRequest, Regs
from bidpilot.serving.reading.request import Fields

_LONGEST = 256  # characters of an id that are looked at
_NOBODY = "-0"  # an id of these characters alone is that of all who have none


class User(msgspec.Struct, gc=False):
    """Who would see the exposure."""

    id: str | None = None  # the exchange's
    buyeruid: str | None = None  # ours


class Device(msgspec.Struct, gc=False):
    """On what."""

    ifa: str | None = None  # for advertising
    lmt: int | None = None  # 1: the user limits tracking
    dnt: int | None = None  # 1: do not track


class RegsExt(msgspec.Struct, gc=False):
    """`ext` of regulations, where exchanges of before OpenRTB 2.6 tell of the GDPR."""

    gdpr: int | None = None


class UserRegs(Regs, gc=False):
    """Regulations, those among them that say whether an id may be used."""

    gdpr: int | None = None
    ext: RegsExt | None = None


class UserRequest(BidRequest):
    """A request with what tells users apart."""

    user: User | None = None
    device: Device | None = None
    regs: UserRegs | None = None


WITH_IDS = Fields(UserRequest)
"""Reads such requests."""


def id_of(request: BidRequest, gdpr_ids: bool) -> tuple[str, str]:
    """What a request is assigned by, and its kind: `user`, `device`, or `request` where no id is there or may be used.

    Children, who limits tracking, and requests under the GDPR unless `gdpr_ids`, are not told apart.
    """
    if isinstance(request, UserRequest) and _may(request, gdpr_ids):
        user, device = request.user, request.device
        if user is not None and (found := _known(user.buyeruid) or _known(user.id)):
            return found, "user"
        if device is not None and (found := _known(device.ifa)):
            return found, "device"
    return request.id[:_LONGEST], "request"


def _known(id: str | None) -> str:
    return id[:_LONGEST] if id and id.strip(_NOBODY) else ""


def _may(request: UserRequest, gdpr_ids: bool) -> bool:
    regs, device = request.regs, request.device
    if device is not None and (device.lmt == 1 or device.dnt == 1):
        return False
    if regs is None:
        return True
    gdpr = regs.gdpr == 1 or (regs.ext is not None and regs.ext.gdpr == 1)
    return regs.coppa != 1 and (gdpr_ids or not gdpr)
