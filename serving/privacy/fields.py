"""Encrypted texts in a database: SQLite encrypts nothing itself, so that each text is encrypted before it is written.

A text is bound to where it stands (table, account, slot): moved elsewhere it is not read. Texts of before, which are
not encrypted, are read as they are, so that a key can be given to a state that has none.
"""

from __future__ import annotations

import base64
import secrets
import sqlite3

from bidpilot.bidding.errors import SealBroken, WrongKey
from bidpilot.serving.privacy.keys import Key, other_key

MARK = "sealed1:"
_SALT = b"fields of the state"


class Fields:
    """Encrypts and decrypts texts with one key; with none it leaves them as they are."""

    def __init__(self, key: Key | None) -> None:
        self._key = key
        if key is not None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(key.derived(_SALT, "field"))

    @property
    def on(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def mine(self, text: str) -> bool:
        """Whether a text is encrypted with this key."""
        try:
            self.open(text, "key")
        except (SealBroken, WrongKey):
            return False
        return text.startswith(MARK)

    def seal(self, text: str, *place: object) -> str:
        """A text as it is written at a place."""
        if self._key is None:
            return text
        nonce = secrets.token_bytes(12)
        sealed = self._key.name + nonce + self._cipher.encrypt(nonce, text.encode(), _about(place))
        return MARK + base64.b64encode(sealed).decode()

    def open(self, text: str, *place: object) -> str:
        """A text as it was before it was written at a place.

        Raises:
            WrongKey: it is encrypted with another key, or none is given.
            SealBroken: it was altered, or moved here from elsewhere.
        """
        if not text.startswith(MARK):
            return text
        where = f"the state's {' '.join(map(str, place))}"
        try:
            data = base64.b64decode(text[len(MARK) :], validate=True)
        except ValueError as error:
            raise _broken(where) from error
        name, nonce, sealed = data[:8], data[8:20], data[20:]
        if self._key is None or name != self._key.name:
            raise other_key(where, name, self._key)
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(nonce, sealed, _about(place)).decode()
        except (InvalidTag, ValueError) as error:
            raise _broken(where) from error


def check_key(db: sqlite3.Connection, fields: Fields) -> None:
    """Hold a key against that of a database, which is this one from now on where it has none.

    Raises:
        WrongKey, SealBroken: it is encrypted with another key, or altered.
    """
    row = db.execute("SELECT text FROM key").fetchone()
    if row is not None:
        fields.open(str(row[0]), "key")
    elif fields.on:
        db.execute("INSERT OR IGNORE INTO key VALUES (1, ?)", (fields.seal("", "key"),))


def _about(place: tuple[object, ...]) -> bytes:
    return "\x1f".join(map(str, place)).encode()


def _broken(where: str) -> SealBroken:
    return SealBroken(
        f"{where} is not as it was written. Restore a backup, or move state.sqlite away: the day's slots then count as "
        "forecast, and money is as the ledger has it."
    )
