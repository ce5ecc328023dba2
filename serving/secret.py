"""Secrets of a bid server: from the environment, or made once and kept in its state folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.config import ServeConfig


def secret(config: ServeConfig, name: str, variable: str) -> str:
    """A secret from the environment, or one made once and kept in the state folder, readable by its owner alone.

    Raises:
        InvalidServing: it is empty, or cannot be read or made.
    """
    given = os.environ.get(variable)
    if given is not None:
        return whole(given, variable, "Set it to a secret, or unset it")
    path: Path = config.state / name
    try:
        if not path.exists():
            _make(path)
        return whole(path.read_text(), str(path), "Delete it, and a new one is made")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidServing(
            f"the secret {path} cannot be read or made ({error}). Set {variable} in its place."
        ) from error


def whole(text: str, where: str, remedy: str) -> str:
    """The text of a secret, without what editors put around it.

    Raises:
        InvalidServing: there is none; `where` it should be, and the `remedy`.
    """
    text = text.strip()
    if not text:
        raise InvalidServing(f"{where} is empty, and who brings nothing would be let in. {remedy}.")
    return text


def _make(path: Path) -> None:
    """A secret that is there is whole: it gets its name when it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:  # another process has made one meanwhile
        pass
    finally:
        part.unlink(missing_ok=True)
