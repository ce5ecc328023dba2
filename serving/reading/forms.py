"""Values in the forms that exchanges send, beside those of the protocol, read into the messages' structs.

null is absent; a number may be text, and a whole one may have a fraction of zero (a duration any, which is cut off, or
rounded up where it is the least); an id may be a number; a list of one may come without its brackets, and an empty
object as an empty list. Whatever is read so is counted by its form. What cannot be read raises `Unreadable` with its
path, unless it is one of several impressions or deals, which alone it costs, or a field that only describes where the
exposure would be, or an opt-out: that costs itself, and what its struct names in `unread` stands there, so that rules
know of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import NODEFAULT, Raw, Struct, inspect, json

Read = Callable[[Any, Counter[str]], Any]


class Form(StrEnum):
    """In which form a value came."""

    null = "null"
    text = "number_as_text"
    fraction = "fraction_of_a_whole_number"
    id = "id_as_number"
    single = "list_without_brackets"
    empty = "object_as_empty_list"
    flag = "flag_as_boolean"
    malformed_imp = "malformed_imp"
    malformed_deal = "malformed_deal"
    malformed_place = "malformed_place"
    malformed_opt_out = "malformed_opt_out"


class Unreadable(Exception):  # never leaves this room: it becomes an InvalidRequest, or costs an impression
    """Raised where a value cannot be read."""

    def __init__(self, wanted: str, value: object) -> None:
        super().__init__(wanted)
        self.wanted, self.value, self.path = wanted, value, ""

    def under(self, step: str) -> Unreadable:
        """The same, seen from the object or list around it."""
        self.path = step + self.path
        return self

    def __str__(self) -> str:
        return f"Expected {self.wanted}, got `{str(self.value)[:40]}` - at `${self.path}`"


_COSTS_ITSELF = {"imp": Form.malformed_imp, "deals": Form.malformed_deal}
_DESCRIBES: dict[str, object] = {"content": None}  # of structs that do not say it themselves
_CUT = frozenset({"tmax", "exp", "maxduration", "maxdur", "w", "h"})
_RAISED = frozenset({"minduration", "mindur"})  # the least that there may be
_NUMBER = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,3})?")


def reader_of(struct: type[Struct]) -> Read:
    """What reads a struct from decoded JSON."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return _struct(info)


def _of(info: inspect.Type, name: str) -> Read:
    kinds = (
        [t for t in info.types if not isinstance(t, inspect.NoneType)] if isinstance(info, inspect.UnionType) else []
    )
    if len(kinds) == 1:
        return _of(kinds[0], name)
    match info:
        case inspect.StructType():
            return _struct(info)
        case inspect.ListType():
            return _list(_of(info.item_type, name), _COSTS_ITSELF.get(name))
        case inspect.StrType():
            return _text
        case inspect.FloatType():
            return _float
        case inspect.IntType():
            return _cut if name in _CUT else _raised if name in _RAISED else _int
        case inspect.BoolType():
            return _bool
        case inspect.RawType():
            return _raw
        case inspect.UnionType():
            return _text_or_int
    raise TypeError(f"no form is known for {info}")  # a field of a new type: a fault of ours, told at the start


def _struct(info: inspect.StructType) -> Read:
    fields = {f.encode_name: (f.name, _of(f.type, f.name)) for f in info.fields}
    needed = {f.encode_name for f in info.fields if f.required and f.default is NODEFAULT}
    make: Callable[..., Any] = info.cls
    describes: dict[str, object] = getattr(info.cls, "unread", _DESCRIBES)
    malformed = getattr(info.cls, "malformed", Form.malformed_place)

    def read(value: Any, forms: Counter[str]) -> Any:
        if value == [] and isinstance(value, list):
            forms[Form.empty] += 1
            value = {}
        if not isinstance(value, dict):
            raise Unreadable("an object", value)
        given = {}
        for key, (name, read_field) in fields.items():
            entry = value.get(key)
            if entry is None:
                if key in needed:
                    raise Unreadable("a value", None).under(f".{key}")
                if key in value:
                    forms[Form.null] += 1
                continue
            try:
                given[name] = read_field(entry, forms)
            except Unreadable as error:
                if key not in describes:
                    raise error.under(f".{key}") from None
                forms[malformed] += 1
                given[name] = describes[key]
        return make(**given)

    return read


def _list(read_item: Read, costs_itself: Form | None) -> Read:
    def read(value: Any, forms: Counter[str]) -> list[Any]:
        if not isinstance(value, list):
            forms[Form.single] += 1
            value = [value]
        found = []
        for index, entry in enumerate(value):
            if entry is None and costs_itself is None:
                forms[Form.null] += 1
                continue
            try:
                found.append(read_item(entry, forms))
            except Unreadable as error:
                if costs_itself is None:
                    raise error.under(f"[{index}]") from None
                forms[costs_itself] += 1
        return found

    return read


def _number(value: Any, forms: Counter[str]) -> float | int:
    """An integer as it is, anything else as a finite float."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        forms[Form.text] += 1
        value = int(text) if len(text) < 20 and text.lstrip("+-").isdigit() else float(text)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise Unreadable("a number", value)


def _float(value: Any, forms: Counter[str]) -> float:
    try:
        return float(_number(value, forms))
    except OverflowError:
        raise Unreadable("a number", value) from None


def _int(value: Any, forms: Counter[str]) -> int:
    if isinstance(value, bool):
        forms[Form.flag] += 1
        return int(value)
    number = _number(value, forms)
    if isinstance(number, int):
        return number
    if not number.is_integer():
        raise Unreadable("a whole number", value)
    forms[Form.fraction] += 1
    return int(number)


def _cut(value: Any, forms: Counter[str]) -> int:
    number = _number(value, forms)
    if isinstance(number, float):
        forms[Form.fraction] += 1
    return int(number)


def _raised(value: Any, forms: Counter[str]) -> int:
    number = _number(value, forms)
    if isinstance(number, float):
        forms[Form.fraction] += 1
    return math.ceil(number)


def _text(value: Any, forms: Counter[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("a text", value)
    forms[Form.id] += 1
    return str(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value)


def _text_or_int(value: Any, forms: Counter[str]) -> str | int:
    return value if isinstance(value, str) else _int(value, forms)


def _raw(value: Any, forms: Counter[str]) -> Raw:
    return Raw(json.encode(value))  # read when a rule asks for it


def _bool(value: Any, forms: Counter[str]) -> bool:
    if isinstance(value, bool):
        return value
    if value in (0, 1) and not isinstance(value, str):
        forms[Form.flag] += 1
        return bool(value)
    raise Unreadable("true or false", value)
