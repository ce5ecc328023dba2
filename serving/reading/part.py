"""Parts of a request that were left as bytes, read when they are asked for: strictly, and loosely where that fails."""

from __future__ import annotations

from collections import Counter
from typing import Any, Generic, TypeVar

import msgspec

from bidpilot.serving.messages import UNTOLD
from bidpilot.serving.reading.forms import Unreadable, reader_of

S = TypeVar("S", bound=msgspec.Struct)


class PartReader(Generic[S]):
    """Reads one struct, all of whose fields may be absent.

    Args:
        struct: what is read.
        unread: what stands for fields that are told and cannot be read, where a rule must know of that.
    """

    def __init__(self, struct: type[S], **unread: object) -> None:
        self._struct, self._unread = struct, unread
        self._strict = msgspec.json.Decoder(struct).decode
        self._loose = reader_of(struct)
        self._none = struct()

    def __call__(self, raw: msgspec.Raw) -> S:
        """The struct, field by field: what of it cannot be read counts as absent, or as its `unread`."""
        if raw is UNTOLD:
            return self._none
        try:
            return self._strict(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        try:
            tree = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._none
        unread: dict[str, object] = {}
        while isinstance(tree, dict):
            try:
                found: S = self._loose(tree, Counter())
            except Unreadable as error:  # which costs that field alone
                name = error.path.lstrip(".").replace("[", ".").partition(".")[0]
                del tree[name]
                if name in self._unread:
                    unread[name] = self._unread[name]
            else:
                return msgspec.structs.replace(found, **unread) if unread else found
        hidden = {name: value for name, value in self._unread.items() if name.encode() in bytes(raw)}
        return self._struct(**hidden) if hidden else self._none

    def whole(self, raw: msgspec.Raw) -> S | None:
        """The struct; None where the part is not told, or any of it cannot be read."""
        if raw is UNTOLD:
            return None
        try:
            return self._strict(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        try:
            found: Any = self._loose(msgspec.json.decode(raw), Counter())
        except (msgspec.MsgspecError, UnicodeDecodeError, Unreadable):
            return None
        return found  # type: ignore[no-any-return]


def is_told(raw: msgspec.Raw) -> bool:
    """Whether there is anything."""
    return raw is not UNTOLD and bytes(raw).strip() != b"null"
