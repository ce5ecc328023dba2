"""Networks with weights drawn at random, large enough that some outputs are clipped."""

from __future__ import annotations

import itertools

import numpy as np

from bidpilot.agents.acting.network import Lstm, Mlp
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import feature_names


def random_mlp(inputs: int, outputs: int, scale: float = 0.6, seed: int = 5) -> Mlp:
    generator = np.random.default_rng(seed)
    sizes = list(itertools.pairwise((inputs, 16, 8, outputs)))
    return Mlp(
        weights=tuple(generator.normal(0, scale, pair).astype(np.float32) for pair in sizes),
        biases=tuple(generator.normal(0, scale, pair[1]).astype(np.float32) for pair in sizes),
    )


def random_lstm(inputs: int, outputs: int, units: int = 12, scale: float = 0.4, seed: int = 5) -> Lstm:
    generator = np.random.default_rng(seed)
    per_input = 4.0 * scale / np.sqrt(inputs)  # gates, and what rounding does to them, are as large for any inputs
    weight_ih, weight_hh, bias = (
        generator.normal(0, spread, shape).astype(np.float32)
        for spread, shape in ((per_input, (4 * units, inputs)), (scale, (4 * units, units)), (scale, (4 * units,)))
    )
    return Lstm(weight_ih, weight_hh, bias, random_mlp(units, outputs, seed=seed))


def sizes_of(segments: int) -> tuple[int, int]:
    """Inputs and outputs of a policy's network over S segments."""
    return len(feature_names(segments)), action_size(segments)
