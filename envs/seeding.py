"""Random streams: one domain each for training, validation, tuning and every suite, so that they never overlap."""

from __future__ import annotations

import zlib

import numpy as np

TRAINING, VALIDATION, FORECAST, LOG_TRAINING, LOG_HELD_OUT, CAMPAIGNS, TUNING = range(1, 8)
VALIDATION_WORLDS, VERDICT, VERDICT_WORLDS = range(8, 11)
BANDS = 11
_SUITES = 1 << 16


def suite_domain(name: str) -> int:
    """Domain of a suite's days."""
    return _SUITES + zlib.crc32(name.encode())


def stream(domain: int, seed: int) -> np.random.Generator:
    """The generator of one domain and seed."""
    return np.random.default_rng(np.random.SeedSequence([domain, seed]))
