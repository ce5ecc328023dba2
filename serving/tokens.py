"""Tokens of administration: who brings which, and what each may do."""

from __future__ import annotations

import hashlib
import hmac
import stat
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import msgspec

from bidpilot.bidding.errors import InvalidServing

ADMIN = "admin"
"""The name of who brings the token of the state folder, or of BIDPILOT_ADMIN_TOKEN."""


class Role(IntEnum):
    """What a token allows; each role may do what those before it may."""

    read = 1  # see
    operate = 2  # pause, resume, kill, revive
    direct = 3  # put, delete, budget, bundle, clock


@dataclass(frozen=True)
class Who:
    """Whom a token stands for."""

    name: str
    role: Role


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of the file: the token, or its SHA-256 as hex digits."""

    role: str
    token: str | None = None
    sha256: str | None = None


class Tokens:
    """The tokens of one server.

    Args:
        all_roles: the token that may do everything.
        file: more of them, with names and roles; None: no more.

    Raises:
        InvalidServing: the file cannot be read, others may read it, or an entry is no token.
    """

    def __init__(self, all_roles: str, file: Path | None = None) -> None:
        self._known = {_digest(all_roles): Who(ADMIN, Role.direct)}
        for name, entry in {} if file is None else _read(file).items():
            digest = _checked(name, entry)
            if digest in self._known:
                raise InvalidServing(
                    f"{file}: {name!r} has the token of {self._known[digest].name!r}. Give each its own."
                )
            self._known[digest] = Who(name, Role[entry.role])

    def who(self, authorization: str | None) -> Who | None:
        """Whom an Authorization header stands for; None for nobody.

        Compared are digests, in a time that does not tell how much of a token is right.
        """
        scheme, _, token = (authorization or "").partition(" ")
        given = _digest(token)
        found = None
        for digest, who in self._known.items():
            if hmac.compare_digest(digest, given):
                found = who
        return found if scheme == "Bearer" else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _read(file: Path) -> dict[str, _Entry]:
    try:
        if file.stat().st_mode & stat.S_IROTH:
            raise InvalidServing(f"anybody on this machine may read the tokens in {file}. Say: chmod o-r {file}")
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Entry])
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidServing(
            f"{file} holds no tokens ({error}). Write "
            '{"NAME": {"token": "...", "role": "read"}}, or "sha256" in place of "token".'
        ) from error


def _checked(name: str, entry: _Entry) -> str:
    """The digest of an entry's token."""
    if entry.role not in Role.__members__:
        raise InvalidServing(
            f"the token of {name!r} has the role {entry.role!r}. Give one of: {', '.join(Role.__members__)}."
        )
    if (entry.token is None) == (entry.sha256 is None):
        raise InvalidServing(f'the token of {name!r}: give either "token" or "sha256".')
    if entry.token is not None:
        if not entry.token.strip():
            raise InvalidServing(f"the token of {name!r} is empty, and an empty token is none. Give one, or no entry.")
        return _digest(entry.token)
    digest = (entry.sha256 or "").lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise InvalidServing(f"the sha256 of {name!r} is not 64 hex digits. Say: printf %s TOKEN | sha256sum")
    if digest == _digest(""):
        raise InvalidServing(f"the token of {name!r} is empty, and an empty token is none. Give one, or no entry.")
    return digest
