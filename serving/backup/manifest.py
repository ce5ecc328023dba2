"""What a backup holds: its files with their checksums, when it was made, and the money of its ledger."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import InvalidBackup

FILE = "backup.json"
VERSION = 1
_BLOCK = 1 << 20


class Entry(BaseModel):
    """One file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$", description="its path in the state folder")
    size: int = Field(ge=0, description="bytes")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="its checksum")


class Manifest(BaseModel):
    """What a backup holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(VERSION, description="layout of the backup")
    at: float = Field(description="when the ledger was copied, seconds since 1970: what was booked before is in it")
    served: bool = Field(description="whether a server ran then")
    files: tuple[Entry, ...] = Field(description="all files")

    @property
    def when(self) -> str:
        """The time of the copy."""
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def entry(folder: Path, name: str) -> Entry:
    """A file as it is."""
    path = folder / name
    return Entry(name=name, size=path.stat().st_size, sha256=checksum(path))


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all as they were written.

    Raises:
        InvalidBackup: it is none, or a file is missing, altered or cut short.
    """
    try:
        found = Manifest.model_validate(json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        why = " ".join(str(error).split())[:300]
        raise InvalidBackup(f"{folder} is no backup ({why}). Name the folder that bidpilot backup has made.") from error
    if found.version != VERSION:
        raise InvalidBackup(f"{folder} is a backup of version {found.version}, and {VERSION} is read here.")
    for one in found.files:
        path = folder / one.name
        if ".." in Path(one.name).parts or path.is_symlink():
            raise InvalidBackup(f"{folder}: {one.name!r} leads out of the backup. Take another backup.")
        try:
            whole = path.stat().st_size == one.size and checksum(path) == one.sha256
        except OSError as error:
            raise InvalidBackup(f"{path} cannot be read ({error}). Take another backup.") from error
        if not whole:
            raise InvalidBackup(f"{path} is not as it was written. Copy the backup again, or take another one.")
    return found
