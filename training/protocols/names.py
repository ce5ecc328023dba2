"""The names that agents of the AuctionNet protocol are typed by, light enough for `--help`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from bidpilot.agents.learners.catalogue import DEFAULT
from bidpilot.training.evaluation.names import CONSTANT, FORECASTING, REFERENCES, TUNED_BASELINES

BENCHMARK: Final = ("fixed_cpa", "budget_pid", "cpa_pid", "online_lp")
"""The bidders of the benchmark."""
TUNED: Final = MappingProxyType({f"{name}_tuned": name for name in TUNED_BASELINES if name != CONSTANT})
"""Controllers with the gains that tuning found, by the names of their rows."""
KNOWN: Final = (*BENCHMARK, *FORECASTING, *TUNED)
USUAL: Final = (*BENCHMARK, "plan", f"{REFERENCES[0]}_tuned", *REFERENCES, DEFAULT)
"""Who plays where no agent is named."""
