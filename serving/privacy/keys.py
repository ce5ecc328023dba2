"""Keys of encryption at rest: 32 bytes in a file that its owner alone may read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from bidpilot.bidding.errors import InvalidKey, WrongKey

BYTES = 32


@dataclass(frozen=True)
class Key:
    """A key. Its name is told; its bytes are not, nor shown where it is printed."""

    secret: bytes = field(repr=False)

    @property
    def name(self) -> bytes:
        """8 bytes that tell this key from others, and nothing of it."""
        return hashlib.sha256(b"bidpilot key name" + self.secret).digest()[:8]

    def derived(self, salt: bytes, purpose: str) -> bytes:
        """32 bytes for one purpose alone (HKDF of RFC 5869 with SHA-256)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), BYTES, salt, f"bidpilot {purpose}".encode()).derive(self.secret)


def read_key(path: Path | None) -> Key | None:
    """The key of a file, raw or in base64; None where there is no file.

    Raises:
        InvalidKey: it cannot be read, holds no key, or others may read it.
    """
    if path is None:
        return None
    try:
        if path.stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG):
            raise InvalidKey(f"others on this machine may read the key {path}. Say: chmod 600 {path}")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidKey(
            f"the key {path} cannot be read ({error}). Make one: bidpilot privacy new-key {path}"
        ) from error
    if len(data) == BYTES:
        return Key(data)
    try:
        decoded = base64.b64decode(data.strip(), validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != BYTES:
        raise InvalidKey(
            f"the key {path} has {len(data)} bytes that are not {BYTES}, raw or in base64. Make one: bidpilot privacy "
            "new-key FILE"
        )
    return Key(decoded)


def new_key(path: Path) -> Key:
    """Make a key and write it to a new file, in base64.

    Raises:
        InvalidKey: the file is there, or cannot be written.
    """
    secret = secrets.token_bytes(BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secret) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InvalidKey(f"the key {path} cannot be made ({error}). A key that is there is never replaced.") from error
    return Key(secret)


def other_key(what: str, wanted: bytes, key: Key | None) -> WrongKey:
    """The error where something is encrypted with another key than is given."""
    given = "no key is given" if key is None else f"this is {key.name.hex()}"
    return WrongKey(f"{what} is encrypted with the key {wanted.hex()}, and {given}. Give its --key-file.")
