"""Predictors by name: `module:function`, found as Python finds modules, the working folder among the places."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from bidpilot.bidding.errors import InvalidPredictor
from bidpilot.serving.prediction.view import RequestView


class Predictor(Protocol):
    """Called once for each request, in a thread of its own, one call at a time."""

    def __call__(self, view: RequestView, /) -> Any:
        """Values (I, 3) of `view.impressions`, or `Values`, which tells segments too."""


def load_predictor(name: str) -> Predictor:
    """The predictor called `module:function`.

    Raises:
        InvalidPredictor: there is none, or it cannot be called with a view of a request.
    """
    module, _, attribute = name.partition(":")
    if (here := os.getcwd()) not in sys.path:  # an installed program does not look there
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # whatever a module does when it is imported
        raise InvalidPredictor(
            f"the predictor {name!r} cannot be loaded ({type(error).__name__}: {error}). Name it as module:function, "
            f"of a module in {here} or in another folder of PYTHONPATH."
        ) from error
    if not callable(found):
        raise InvalidPredictor(f"the predictor {name!r} is no function. Name it as module:function.")
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004
        raise InvalidPredictor(f"the predictor {name!r} is async, and a thread calls it. Make it a plain function.")
    _check_arguments(name, found)
    predictor: Predictor = found
    return predictor


def _check_arguments(name: str, found: Callable[..., object]) -> None:
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # of what is compiled nothing is known
        return
    try:
        signature.bind(None)
    except TypeError as error:
        try:
            signature.bind(None, None)
        except TypeError:
            remedy = "Give it one argument"
        else:
            remedy = "It is of the form of before, which was called with (request, imp) for each impression. Change it"
        raise InvalidPredictor(
            f"the predictor {name!r} takes {signature}, and is called with a view of the whole request ({error}). "
            f"{remedy}: def predict(view): return [[exposure, interaction, conversion] for imp in view.impressions]."
        ) from error
