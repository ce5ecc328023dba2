"""HiGHS greets on the process's standard output when the first of it is made, whatever is said of its output."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from functools import lru_cache

_STDOUT = 1


@lru_cache(maxsize=1)
def greet_nobody() -> None:
    """Let HiGHS greet into nothing, once per process, before it is used.

    It writes from C, so that the descriptor itself is turned away for the millisecond that this takes.
    """
    import highspy

    with suppress(AttributeError, OSError, ValueError):
        sys.stdout.flush()
    kept, nothing = os.dup(_STDOUT), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, _STDOUT)
        highspy.Highs()
        with suppress(AttributeError, OSError, TypeError):  # no C library by that name, as on Windows
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)
        os.close(nothing)
