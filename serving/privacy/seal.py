"""Encrypted files: AES-256-GCM in chunks, so that what was cut short, reordered or altered is an error by name.

    head    magic (18 bytes), name of the key (8), salt (16), size of a chunk (4, big-endian)
    chunks  ciphertext and tag (16 bytes) each; all but the last are of the full size

Each file has a key of its own, derived from the salt. A chunk's nonce is its number (11 bytes) and 1 for the last (1
byte), and the head is the associated data of each: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar,
"Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015, section 7).
"""

from __future__ import annotations

import io
import secrets
import struct
from pathlib import Path
from typing import BinaryIO

from bidpilot.bidding.errors import SealBroken
from bidpilot.serving.durable import whole_file
from bidpilot.serving.privacy.keys import Key, other_key

MAGIC = b"bidpilot-sealed-1\n"
SEALED = ".sealed.parquet"
"""What the names of encrypted files of the decision log end with."""
CHUNK = 1 << 20
_HEAD = struct.Struct(f">{len(MAGIC)}s8s16sI")
_TAG = 16
_REMEDY = "It was altered, or its copy was cut short: copy it again from where it is whole."


def seal(key: Key, source: BinaryIO, target: BinaryIO, chunk: int = CHUNK) -> None:
    """Encrypt one stream into another; memory holds two chunks."""
    salt = secrets.token_bytes(16)
    head = _HEAD.pack(MAGIC, key.name, salt, chunk)
    cipher = _cipher(key, salt)
    target.write(head)
    number, block = 0, source.read(chunk)
    while True:
        following = source.read(chunk) if len(block) == chunk else b""
        last = not following
        target.write(cipher.encrypt(_nonce(number, last), block, head))
        if last:
            return
        number, block = number + 1, following


def unseal(key: Key | None, source: BinaryIO, target: BinaryIO, what: str) -> None:
    """Decrypt one stream into another; what is written before an error is not to be used.

    Args:
        key: it was encrypted with.
        source, target: streams.
        what: the source's name, for errors.

    Raises:
        WrongKey: it was encrypted with another key, or none is given.
        SealBroken: it was altered, reordered or cut short.
    """
    from cryptography.exceptions import InvalidTag

    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(MAGIC):
        raise SealBroken(f"{what} is no encrypted file of a bid server. {_REMEDY}")
    _, name, salt, chunk = _HEAD.unpack(head)
    if key is None or name != key.name:
        raise other_key(what, name, key)
    if not 0 < chunk <= 1 << 28:
        raise SealBroken(f"{what} has chunks of {chunk} bytes. {_REMEDY}")
    cipher, size = _cipher(key, salt), chunk + _TAG
    number, block = 0, source.read(size)
    while True:
        following = source.read(size) if len(block) == size else b""
        last = not following
        try:
            target.write(cipher.decrypt(_nonce(number, last), block, head))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"chunk {number} of {what} is not as it was written. {_REMEDY}") from error
        if last:
            return
        number, block = number + 1, following


def is_sealed(path: Path) -> bool:
    """Whether a file is encrypted; raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def sealed_with(path: Path) -> bytes | None:
    """The name of the key of a file; None where it is not encrypted; raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    return head[len(MAGIC) : len(MAGIC) + 8] if head.startswith(MAGIC) else None


def read_plain(path: Path, key: Key | None) -> bytes:
    """The bytes of a file, decrypted where it is encrypted.

    Raises:
        OSError, WrongKey, SealBroken: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            file.seek(0)
            return file.read()
        file.seek(0)
        found = io.BytesIO()
        unseal(key, file, found, str(path))
        return found.getvalue()


def write_sealed(path: Path, data: bytes, key: Key, durable: bool = True) -> None:
    """Write a file, encrypted, whole or not at all; `durable`: it is on disk on return. Raises OSError."""
    with whole_file(path, durable=durable) as file:
        seal(key, io.BytesIO(data), file)


def _cipher(key: Key, salt: bytes):  # type: ignore[no-untyped-def]  # the library loads only where something is encrypted
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.derived(salt, "file"))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
