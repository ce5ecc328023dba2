"""Makes the predictors of a server from its configuration."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.prediction.load import load_predictor
from bidpilot.serving.prediction.predictions import Predictions
from bidpilot.serving.prediction.rates import Rates, RatesFile


def predictions_of(bidder: Bidder, config: ServeConfig) -> Predictions:
    """The predictors of a configuration.

    Raises:
        InvalidPredictor: one cannot be loaded, or the rates cannot be read or used.
    """
    rates = None if config.predictor_file is None else read_rates(config.predictor_file, bidder)
    made = Predictions(lambda: bidder.bundle, bidder.desk.clock, rates, config.segment)
    if config.predictor is not None:
        told = partial(bidder.events.record, Cause.predictor_rests)
        made.ask_first(load_predictor(config.predictor), config.predictor_ms / 1000, told)
    return made


def read_rates(path: Path, bidder: Bidder) -> Rates:
    """The rates of a file, for a bidder.

    Raises:
        InvalidPredictor: they cannot be read or used.
    """
    return Rates(RatesFile.load(path), bidder.desk.sources, path)
