"""Whether a creative fits an impression, by its format alone: types, sizes, durations, players."""

from __future__ import annotations

from enum import StrEnum

from bidpilot.serving.creatives.piece import Markup, Piece
from bidpilot.serving.messages import Banner, Imp, Native, Player

_AS_WIDE = 1.1  # a video is shown where the player's shape is within a tenth of its own

_OVERLAY = 2  # `linearity` of what is shown over a content that goes on


class Unfit(StrEnum):
    """Why a creative does not fit."""

    media = "no_creative_of_the_format"
    mime = "creative_mime"
    protocol = "creative_protocol"
    size = "creative_size"
    duration = "creative_duration"
    attribute = "blocked_attribute"
    type = "blocked_type"
    api = "creative_api"
    insecure = "creative_insecure"
    assets = "creative_assets"
    advertiser = "blocked_advertiser"
    category = "blocked_category"
    taxonomy = "category_taxonomy"
    app = "blocked_app"
    language = "creative_language"


def unfit_for_format(piece: Piece, imp: Imp) -> Unfit | None:
    """Why a creative cannot be shown in an impression; None where it can.

    An impression that names no format at all is one of an exchange with one format: any creative fits it.
    """
    kind = piece.kind
    if kind is Markup.video:
        if (video := imp.video) is not None:
            if video.linearity == _OVERLAY:  # ours play by themselves
                return Unfit.media
            return _unfit_player(piece, video) or _unfit_shape(piece, video)
    elif kind is Markup.banner:
        if (banner := imp.banner) is not None:
            return _unfit_banner(piece, banner)
    elif kind is Markup.audio:
        if (audio := imp.audio) is not None:
            return _unfit_player(piece, audio)
    else:
        return Unfit.media if imp.native is None else _unfit_native(piece, imp.native)
    named = imp.video or imp.banner or imp.audio or imp.native
    return None if named is None else Unfit.media


def _unfit_player(piece: Piece, player: Player) -> Unfit | None:
    mimes = piece.mimes
    if player.mimes and mimes and mimes.isdisjoint(player.mimes) and _of_other_types(piece, player.mimes):
        return Unfit.mime
    if player.protocols and piece.protocol is not None and piece.protocol not in player.protocols:
        return Unfit.protocol
    duration, least, most = piece.duration, player.minduration, player.maxduration
    if duration is None:  # of the old form: only where it must be known does that matter
        if player.rqddurs or player.mincpmpersec:
            return Unfit.duration
    elif player.rqddurs:
        if duration not in player.rqddurs:
            return Unfit.duration
    elif (least is not None and duration < least) or (most is not None and 0 < most < duration):
        return Unfit.duration
    if player.battr or piece.api is not None:
        return _unfit_common(piece, player.battr, player.api)
    return None


def _of_other_types(piece: Piece, mimes: list[str]) -> bool:
    return piece.mimes.isdisjoint(mimes) and piece.mimes.isdisjoint([mime.lower() for mime in mimes])


def _unfit_shape(piece: Piece, video: Player) -> Unfit | None:
    """A video is scaled to its player, so that shapes must be alike, not sizes."""
    if not (piece.w and piece.h and video.w and video.h):
        return None
    wider = piece.w * video.h / (piece.h * video.w)
    return None if 1 / _AS_WIDE <= wider <= _AS_WIDE else Unfit.size


def _unfit_banner(piece: Piece, banner: Banner) -> Unfit | None:
    sizes = [(f.w, f.h) for f in banner.format or ()]
    if banner.w is not None and banner.h is not None:
        sizes.append((banner.w, banner.h))
    if sizes and (piece.w, piece.h) not in sizes:
        return Unfit.size
    if banner.mimes and piece.mimes and _of_other_types(piece, banner.mimes):
        return Unfit.mime
    if banner.btype and (piece.type is None or piece.type in banner.btype):
        return Unfit.type
    return _unfit_common(piece, banner.battr, banner.api)


def _unfit_native(piece: Piece, native: Native) -> Unfit | None:
    if piece.assets is None or piece.assets.markup(native.request, "") is None:
        return Unfit.assets
    return _unfit_common(piece, native.battr, native.api)


def _unfit_common(piece: Piece, battr: list[int] | None, api: list[int] | None) -> Unfit | None:
    if battr and piece.attr and not set(battr).isdisjoint(piece.attr):
        return Unfit.attribute
    if piece.api is not None and piece.api not in (api or ()):  # not listed: not supported (OpenRTB 2.6, 3.2.7)
        return Unfit.api
    return None
