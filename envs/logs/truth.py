"""Yes and no as logs write them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

YES = ("1", "t", "true", "y", "yes", "on")
NO = ("0", "f", "false", "n", "no", "off")
"""Compared without regard to case; `1.0` is 1."""


Word = str | bool | int | float


def truth(name: str, yes: Sequence[Word] = (), no: Sequence[Word] = ()) -> pl.Expr:
    """A column as Boolean; null where it says neither.

    Args:
        name: the column.
        yes: words that stand for yes, beside YES.
        no: words that stand for no, beside NO; a word that is named for one side does not stand for the other.
    """
    text = pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase().str.replace(r"^\+?(\d+)(?:\.0*)?$", "${1}")
    words = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
    words |= {**dict.fromkeys(_spelled(yes), True), **dict.fromkeys(_spelled(no), False)}
    return text.replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.Boolean)


def _spelled(words: Sequence[Word]) -> list[str]:
    """Words as they are compared; YAML reads `yes` and `off` as true and false, which stand for all of their kind."""
    out: list[str] = []
    for word in words:
        if isinstance(word, bool):
            out += YES if word else NO
        else:
            text = str(word).strip().lower()
            out.append(text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text)
    return out
