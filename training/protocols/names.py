"""The names that agents of the AuctionNet protocol are typed by, light enough for `--help`."""

from __future__ import annotations

from typing import Final

from bidpilot.agents.learners.catalogue import DEFAULT
from bidpilot.training.evaluation.names import CONSTANT, FORECASTING, NEUTRAL, REFERENCES, TUNED

BENCHMARK: Final = ("fixed_cpa", "budget_pid", "cpa_pid", "online_lp")
"""The bidders of the benchmark."""
OFFLINE: Final = ("iql", "cql")
"""Published offline learners, by the weights that `bidpilot rivals` makes."""
OWN: Final = tuple(name for name in (*FORECASTING, *TUNED, *NEUTRAL) if name.partition("_")[0] != CONSTANT)
"""Those of `evaluate` that bid by what auctions are worth."""
KNOWN: Final = (*BENCHMARK, *OFFLINE, *OWN)
USUAL: Final = (*BENCHMARK, "plan", f"{REFERENCES[0]}_tuned", *REFERENCES, DEFAULT)
"""Who plays where no agent is named."""
