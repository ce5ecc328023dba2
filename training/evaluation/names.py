"""The names that agents are typed by, light enough for `--help`: constant, controllers, references and learners."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.agents.learners.catalogue import LEARNERS

CONSTANT: Final = "constant"
INFORMED: Final = "mpc_informed"
"""The model-predictive controller told the levels to come: it bounds the room above the one that is not."""
REFERENCES: Final = (MPC.name, INFORMED)
"""They stand in every table."""
KNOWABLE: Final = "knowable"
"""The same told the market's law and the current levels, not the future: on synthetic markets, where asked for."""
UNFILTERED: Final = "mpc_unfiltered"
"""The model-predictive controller without a filter of traffic: what the detector is worth is measured from it."""
FILTERED: Final = "mpc_filtered"
"""The same behind a filter that is told which traffic is invalid: it bounds the room of any detector by source."""
TRAFFIC_REFERENCES: Final = (UNFILTERED, FILTERED)
"""They stand in the table of every suite with traffic to filter, or with honest traffic that looks like it."""
FORECASTING: Final = (*CONTROLLERS, INFORMED, *TRAFFIC_REFERENCES, *LEARNERS)
"""What bids by a forecast."""
TUNED_BASELINES: Final = (CONSTANT, *(name for name, controller in CONTROLLERS.items() if controller.gains))
"""What has gains to tune; the plan has none."""
TUNED: Final = MappingProxyType({f"{name}_tuned": name for name in TUNED_BASELINES})
"""Baselines with the gains that tuning found, be they better on held-out data or not, by the names of their rows."""
NEUTRAL: Final = MappingProxyType({f"{name}_neutral": name for name in TUNED_BASELINES if name != MPC.name})
"""Baselines with their defaults, which `mpc` always has, by the names of their rows."""
CHOICE: Final = "choice"
"""What a training run exports by default, `choice@RUN`; also the run's tag that says it."""
CHOICE_WHY: Final = "choice.why"
"""The run's tag that says why."""
UNTUNED: Final = (CONSTANT, *FORECASTING, KNOWABLE)
"""Everyone by the plain name."""
KNOWN_AGENTS: Final = (*UNTUNED, *TUNED, *NEUTRAL)
ALL_AGENTS: Final = (CONSTANT, *CONTROLLERS, INFORMED, *(name for name, e in LEARNERS.items() if not e.experimental))
"""Who plays where no agent is named."""
DECIDING: Final = (*CONTROLLERS, *LEARNERS)
"""What decides by what it observes, so that a decision can be explained."""
