"""What a bid must keep of its request, in the specification's own words; read beside the code under test, not by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.openrtb.raw import for_children, perhaps_minor

NAMES = {1: "banner", 2: "video", 3: "audio", 4: "native"}
NOW = 2024  # the year of the tests
W3 = "http://www.w3.org/"


def broken(
    bid: dict[str, Any], request: dict[str, Any], creative: dict[str, Any], cur: str, minors: bool = False
) -> list[str]:
    """The fields of a request (in the protocol's own forms) that a bid breaks; `creative`: what it shows.

    Of impressions with one id all but one cannot be read, or there would be no bid: it is for the one that it fits.
    """
    imps = [imp for imp in request["imp"] if imp["id"] == bid["impid"]]
    assert imps, bid["impid"]
    found = min(([*_of_imp(bid, imp, creative), *_of_price(bid, imp, request, cur)] for imp in imps), key=len)
    return [*_of_request(bid, request, creative), *found] + (["minors"] if not minors and _minor(request) else [])


def of(fields: dict[str, Any] | None, name: str) -> list[Any]:
    return (fields or {}).get(name) or []


def domain(text: str) -> str:
    return text.strip().lower().rpartition("//")[2].partition("/")[0].rstrip(".")


def within(name: str, among: list[str], mark: str) -> bool:
    """Whether a name is among others, or a part of one (shop.example has www.shop.example, IAB1 has IAB1-2)."""
    if mark == ".":
        return any(name == one or (one and name.endswith(f".{one}")) for one in map(domain, among))
    return any(name.upper() == one or name.upper().startswith(f"{one}-") for one in (o.strip().upper() for o in among))


def _of_request(bid: dict[str, Any], request: dict[str, Any], creative: dict[str, Any]) -> Iterator[str]:
    if of(request, "badv") and (not bid.get("adomain") or any(within(d, request["badv"], ".") for d in bid["adomain"])):
        yield "badv"
    cat, taxonomy = of(creative, "cat"), 1 if request.get("cattax") is None else request["cattax"]
    other = creative.get("cattax", 1) != taxonomy
    if of(request, "bcat") and cat and (other or any(within(c, request["bcat"], "-") for c in cat)):
        yield "bcat"
    if of(request, "acat") and (not cat or other or not all(within(c, request["acat"], "-") for c in cat)):
        yield "acat"
    if creative.get("bundle") and creative["bundle"].lower() in [app.strip().lower() for app in of(request, "bapp")]:
        yield "bapp"
    languages = [*of(request, "wlang"), *of(request, "wlangb")]
    if languages and creative.get("language") not in [one.strip().lower().partition("-")[0] for one in languages]:
        yield "wlang"
    if (of(request, "wseat") and "bidpilot" not in request["wseat"]) or "bidpilot" in of(request, "bseat"):
        yield "wseat"


def _of_imp(bid: dict[str, Any], imp: dict[str, Any], creative: dict[str, Any]) -> Iterator[str]:
    if imp.get("secure") and "http://" in bid.get("adm", "").replace(W3, ""):
        yield "secure"
    name = creative["format"]
    if "mtype" in bid and NAMES[bid["mtype"]] != name:
        yield "mtype"
    media = imp.get(name)
    if media is None:
        if any(imp.get(other) is not None for other in NAMES.values()) or name == "native":
            yield "format"
        return
    if set(of(media, "battr")) & set(of(creative, "attr")):
        yield "battr"
    if creative.get("api") is not None and creative["api"] not in of(media, "api"):
        yield "api"
    if name == "banner":
        yield from _of_banner(media, creative)
    elif name != "native":
        yield from _of_player(media, creative, name)


def _of_banner(media: dict[str, Any], creative: dict[str, Any]) -> Iterator[str]:
    sizes = [(f.get("w"), f.get("h")) for f in of(media, "format")]
    if media.get("w") is not None and media.get("h") is not None:
        sizes.append((media["w"], media["h"]))
    if sizes and (creative["w"], creative["h"]) not in sizes:
        yield "size"
    if of(media, "btype") and creative.get("type") in (None, *media["btype"]):
        yield "btype"
    mime = creative.get("mime")
    if of(media, "mimes") and mime and mime.lower() not in [one.lower() for one in media["mimes"]]:
        yield "mimes"


def _of_player(media: dict[str, Any], creative: dict[str, Any], name: str) -> Iterator[str]:
    told, duration = [one.lower() for one in of(media, "mimes")], creative["duration"]
    if told and creative["mimes"] and not set(told) & {one.lower() for one in creative["mimes"]}:
        yield "mimes"
    if of(media, "rqddurs"):
        if duration not in media["rqddurs"]:
            yield "rqddurs"
    elif duration < (media.get("minduration") or 0) or duration > (media.get("maxduration") or 1e9) > 0:
        yield "duration"
    if name == "video":
        if media.get("linearity") == 2:
            yield "linearity"
        if media.get("w") and media.get("h"):
            wider = creative["w"] * media["h"] / (creative["h"] * media["w"])
            if not 0.9 < wider < 1.11:
                yield "shape"


def _of_price(bid: dict[str, Any], imp: dict[str, Any], request: dict[str, Any], cur: str) -> Iterator[str]:
    pmp, price = imp.get("pmp") or {}, bid["price"]
    if "dealid" not in bid:
        if pmp.get("private_auction"):
            yield "private_auction"
        if imp["bidfloorcur"].strip().upper() in ("", cur) and price < imp["bidfloor"] * (1 - 1e-9):
            yield "bidfloor"
        return
    deals = [deal for deal in of(pmp, "deals") if deal["id"] == bid["dealid"]]
    if not any(_is_kept(bid, deal, request, cur) for deal in deals):
        yield "deal"


def _is_kept(bid: dict[str, Any], deal: dict[str, Any], request: dict[str, Any], cur: str) -> bool:
    if of(deal, "wseat") and "bidpilot" not in deal["wseat"]:
        return False
    if of(deal, "wadomain") and not all(within(d, deal["wadomain"], ".") for d in bid["adomain"]):
        return False
    if deal["bidfloorcur"].strip().upper() not in ("", cur):
        return True  # by a rate that is not known here
    at = request["at"] if deal.get("at") is None else deal["at"]
    same = bid["price"] <= deal["bidfloor"] * (1 + 1e-6) or deal.get("mincpmpersec") or deal.get("durfloors")
    return bool(bid["price"] >= deal["bidfloor"] * (1 - 1e-9) and (at != 3 or same))


def _minor(request: dict[str, Any]) -> bool:
    regs, user = request.get("regs") or {}, request.get("user")
    if regs.get("coppa") or for_children(request.get("site")) or for_children(request.get("app")):
        return True
    gdpr = regs.get("gdpr") if regs.get("gdpr") is not None else (regs.get("ext") or {}).get("gdpr")
    return (not gdpr or _consented(user)) and perhaps_minor(user, NOW)


def _consented(user: Any) -> bool:
    """Whether a consent string is told."""
    if not isinstance(user, dict):
        return False
    ext = user.get("ext")
    told = user.get("consent") or (ext.get("consent") if isinstance(ext, dict) else None)
    return isinstance(told, str) and bool(told.strip())
