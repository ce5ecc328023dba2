"""Who is told of incidents, by role: a file of addresses, read once when a server starts."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bidpilot.bidding.errors import InvalidContacts
from bidpilot.serving.incidents.incident import Role
from bidpilot.serving.incidents.policy import read_mapping

_WEB = ("http", "https")


class Contact(BaseModel):
    """One address: of a webhook (http, https), or whatever Apprise reaches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=3, description="address that is told")
    secret_env: str | None = Field(None, description="variable of the environment with the key that webhooks sign by")

    @model_validator(mode="before")
    @classmethod
    def _address(cls, given: Any) -> Any:
        return {"url": given} if isinstance(given, str) else given

    @property
    def webhook(self) -> bool:
        """Whether it is told by a POST of JSON."""
        return urlsplit(self.url).scheme in _WEB

    @property
    def name(self) -> str:
        """What may be shown of it: addresses hold secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" if self.webhook else parts.scheme

    def key(self) -> bytes | None:
        """What its messages are signed by; None: they are not.

        Raises:
            InvalidContacts: the variable is not set.
        """
        if self.secret_env is None:
            return None
        found = os.environ.get(self.secret_env, "").strip()
        if not found:
            raise InvalidContacts(f"{self.secret_env} is not set, and signs what {self.name} is told. Set it.")
        return found.encode()


Book = Mapping[Role, tuple[Contact, ...]]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    watcher: tuple[Contact, ...] = ()
    lead: tuple[Contact, ...] = ()
    director: tuple[Contact, ...] = ()


def read_contacts(path: Path) -> Book:
    """The contacts of a JSON or YAML file, by role.

    Raises:
        InvalidContacts: it cannot be read, others may read it, or an address needs what is not installed.
    """
    try:
        if path.stat().st_mode & stat.S_IROTH:
            raise InvalidContacts(
                f"anybody on this machine may read the addresses in {path}, which let whoever has them write to you. "
                f"Say: chmod o-r {path}"
            )
        file = _File.model_validate(read_mapping(path))
    except (OSError, ValueError, ValidationError) as error:
        why = " ".join(str(error).split())[:300]
        raise InvalidContacts(
            f'{path} holds no contacts ({why}). Write {{"watcher": ["https://..."], "lead": [], "director": []}}.'
        ) from error
    book = {Role.watcher: file.watcher, Role.lead: file.lead, Role.director: file.director}
    for contact in (one for several in book.values() for one in several):
        contact.key()
        if not contact.webhook:
            by_apprise(contact)
    return book


def by_apprise(contact: Contact) -> Any:
    """What tells a contact through Apprise.

    Raises:
        InvalidContacts: Apprise is not installed, or does not know such an address.
    """
    try:
        import apprise  # an extra: most servers tell a webhook
    except ImportError as error:
        raise InvalidContacts(
            f"an address of {contact.name!r} is told through Apprise, which is not installed. Say: pip install "
            "'bidpilot[apprise]', or give the address of a webhook (https://...)."
        ) from error
    teller = apprise.Apprise()
    if not teller.add(contact.url):
        raise InvalidContacts(
            f"Apprise does not know the address of {contact.name!r}. Look it up at github.com/caronc/apprise."
        )
    return teller


def whom(book: Book, role: Role, over: bool) -> tuple[Contact, ...]:
    """Whom an incident of a role is told to; once it is over, all who may have been told.

    Where a role has no contact, the nearest one before it is told.
    """
    roles = list(Role)
    upto = roles[: roles.index(role) + 1]
    if over:
        return tuple(dict.fromkeys(contact for one in upto for contact in book.get(one, ())))
    for one in reversed(upto):
        if book.get(one):
            return book[one]
    return ()
