"""Predictors: what gives the KPI triple and the segment of an auction whose request brings none."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, Protocol

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.collector import Value
from bidpilot.serving.messages import BidRequest, Imp


class Prediction(NamedTuple):
    """What is expected of an exposure."""

    value: Value  # exposure in [0, 1], interaction >= 0, conversion in [0, 1]
    segment: str  # channel/tier, one of the bundle's


class Predictor(Protocol):
    """Called for every impression; may take microseconds, as the request waits for it."""

    def __call__(self, request: BidRequest, imp: Imp) -> Prediction | None:
        """The prediction, or None where the impression should not be bid on."""


def load_predictor(name: str) -> Predictor:
    """The predictor called `module:attribute`.

    Raises:
        InvalidServing: there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidServing(
            f"the predictor {name!r} cannot be loaded ({error}). Name it as module:function."
        ) from error
    if not callable(found):
        raise InvalidServing(f"the predictor {name!r} is no function. Name it as module:function.")
    predictor: Predictor = found
    return predictor
