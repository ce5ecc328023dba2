"""The bid server's administration, as a client sees it."""

from __future__ import annotations

import json
import os
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bidpilot.bidding.errors import BidpilotError, InvalidConfig, ServerRefused, ServerUnavailable
from bidpilot.serving.flight import Flight
from bidpilot.serving.planned import Planned

T = TypeVar("T")

TOKEN = "BIDPILOT_ADMIN_TOKEN"
_MOST = 1 << 24  # bytes of an answer
_LOSES = 200  # characters of a reason


class _Read(BaseModel):
    """An answer: what a later server tells besides is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Terms(_Read):
    """What a campaign of the server wants, as far as it is of interest here."""

    budget: float  # currency per day


class Money(_Read):
    """A campaign's money on the running day, currency."""

    budget: float | None = None  # of its account; None until the ledger has answered
    flight_left: float | None = None  # of its flight's total, neither settled nor owed; None: it has no total


class Served(_Read):
    """A campaign of the server."""

    campaign: Terms
    paused: bool = False
    flight: Flight | None = None
    planned: Planned | None = None
    money: Money = Money()

    def budget_on(self, day: date) -> float:
        """What it may spend on a day as things stand, currency, whatever its flight says."""
        own = self.campaign.budget
        return own if self.planned is None else self.planned.on(day, own)

    def bids_on(self, day: date) -> bool:
        """Whether its flight lets it bid on a day."""
        return self.flight is None or self.flight.bids_on((day - date(1970, 1, 1)).days)


class DaySpend(_Read):
    """A campaign's day by the ledger, and what its wins brought as far as the server has been told."""

    budget: float  # currency, here and below
    settled: float = Field(ge=0)
    debt: float = Field(ge=0)
    held: float = Field(ge=0)
    channels: dict[str, float]  # spend by channel, of the bills that this server knows
    predicted: tuple[float, float, float]  # KPIs of the exposures of these bills
    realised: tuple[float, float, float]  # KPIs that were told of them


class Spend(_Read):
    """A campaign's days."""

    currency: str
    today: date  # of the server
    passed: float = Field(ge=0, le=1)  # share of today's time that is over
    days: dict[date, DaySpend]  # those that have an account


class _NoRedirect(HTTPRedirectHandler):
    """A token is for the address that was given, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Server:
    """Asks one server.

    Args:
        address: http://HOST:PORT of its administration.
        token: what it wants to see.
        timeout: seconds.

    Raises:
        InvalidConfig: the address is none.
    """

    def __init__(self, address: str, token: str, timeout: float) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidConfig(f"--admin {address} is no address. Give http://HOST:PORT.")
        self.address, self._token, self._timeout = address.rstrip("/"), token, timeout
        self._opener = build_opener(_NoRedirect(), ProxyHandler({}))

    def campaigns(self) -> dict[str, Served]:
        """All campaigns by name.

        Raises:
            ServerUnavailable, ServerRefused.
        """
        return self._read(TypeAdapter(dict[str, Served]), self._ask("GET", "/admin/campaigns")[1])

    def spend(self, name: str, first: date | None = None) -> Spend:
        """A campaign's days from `first`, today where None, to today.

        Raises:
            ServerUnavailable, ServerRefused.
        """
        query = "" if first is None else f"?from={first}"
        return self._read(TypeAdapter(Spend), self._ask("GET", f"{_path(name)}/spend{query}")[1])

    def plan_budget(self, name: str, budget: float, since: date) -> bool:
        """Let a campaign have another budget from a day on, currency; whether that is durable already.

        Raises:
            ServerUnavailable: no answer; it may have been taken all the same.
            ServerRefused.
        """
        status, _ = self._ask("POST", f"{_path(name)}/budget", {"budget": budget, "from": since.isoformat()})
        return status != 202

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        request = Request(self.address + path, None if body is None else json.dumps(body).encode(), method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return int(response.status), response.read(_MOST)
        except HTTPError as error:
            with error:
                why = _reason(error.read(_LOSES * 8))
            raise ServerRefused(
                f"{method} {self.address}{path} is answered {error.code}: {why}.{_hint(error.code)}"
            ) from None
        except (OSError, HTTPException) as error:  # no connection, or none that lasts; URLError is an OSError
            raise ServerUnavailable(
                f"the bid server does not answer {method} {self.address}{path} ({error or type(error).__name__}). "
                "Check --admin, and that it runs."
            ) from error

    def _read(self, kind: TypeAdapter[T], text: bytes) -> T:
        try:
            return kind.validate_json(text)
        except (ValidationError, BidpilotError) as error:
            raise ServerUnavailable(
                f"{self.address} answers what is no answer of a bid server of this version "
                f"({' '.join(str(error).split())[:_LOSES]}). Check --admin, and its version."
            ) from error


def token_of(file: Path | None) -> str:
    """The administration's token, of a file or the environment.

    Raises:
        InvalidConfig: there is none.
    """
    if file is None:
        token = os.environ.get(TOKEN, "").strip()
        if not token:
            raise InvalidConfig(f"no token for the bid server's administration. Set {TOKEN}, or give --token-file.")
        return token
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"--token-file {file} cannot be read ({error}).") from error
    if not token:
        raise InvalidConfig(f"--token-file {file} is empty. The server keeps its token in admin.token of its --state.")
    return token


def _path(name: str) -> str:
    return f"/admin/campaigns/{quote(name, safe='')}"


def _reason(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"])[:_LOSES].rstrip(".")
    except (ValueError, KeyError, TypeError):
        return " ".join(text.decode(errors="replace").split())[:_LOSES] or "no reason"


def _hint(status: int) -> str:
    return f" Check {TOKEN} or --token-file." if status in (401, 403) else ""
