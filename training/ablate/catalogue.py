"""The variants by name: what each leaves out of the default training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bidpilot.bidding.errors import UnknownVariant

FULL: Final = "full"
SETTINGS: Final = "settings"
"""Group of the learner's hyperparameters, whichever is trained."""


@dataclass(frozen=True)
class Variant:
    """One way to train."""

    name: str
    without: str  # what it leaves out, one line
    overrides: Mapping[str, Any]  # fields of TrainConfig in place of the default; of a group, those that change
    beside: str = FULL  # the variant that differs from it by one part alone


_NOT_RESIDUAL: Final = {"residual": False}
_NO_IMITATION: Final = {"rounds": 0}
_FROM_SCRATCH: Final = {"learning_rate": 1e-3, "log_std_init": -1.5}  # what starts from nothing has further to go

_ALL = (
    Variant(FULL, "nothing: residual on the re-plan, imitation, the learner, campaigns and markets at random", {}),
    Variant(
        "plain",
        "the re-plan under the action, and imitation: the learner alone, with steps of 1e-3 from a spread of exp(-1.5)",
        {SETTINGS: {**_NOT_RESIDUAL, **_FROM_SCRATCH}, "imitation": _NO_IMITATION},
    ),
    Variant("warm_started", "the re-plan under the action: imitation, then the learner", {SETTINGS: _NOT_RESIDUAL}),
    Variant(
        "residual",
        "imitation: the learner from the re-plan on, with steps of 1e-3 from a spread of exp(-1.5)",
        {SETTINGS: _FROM_SCRATCH, "imitation": _NO_IMITATION},
    ),
    Variant(
        "no_regret",
        "imitation, and regrets as rewards: the learner from the re-plan on, with the luck of the day in its rewards",
        {SETTINGS: _FROM_SCRATCH, "imitation": _NO_IMITATION, "regret": False},
        beside="residual",
    ),
    Variant("imitation", "the learner: imitation alone", {"total_steps": 0}),
    Variant(
        "no_preference", "sight of the campaign's preference and scalarisation", {SETTINGS: {"hidden": ("preference",)}}
    ),
    Variant("no_randomisation", "domain randomisation: the market and campaign of `daily` alone", {"randomise": False}),
    Variant(
        "no_replan",
        "the re-plan altogether, as the action's base and as a feature; one part less than `warm_started`",
        {SETTINGS: {**_NOT_RESIDUAL, "hidden": ("replan",)}},
        beside="warm_started",
    ),
)
VARIANTS: Final = MappingProxyType({variant.name: variant for variant in _ALL})


def named_variants(names: tuple[str, ...]) -> list[Variant]:
    """The variants of these names in the catalogue's order, all of them where there are none.

    Raises:
        UnknownVariant: no such variant.
    """
    for name in names:
        if name not in VARIANTS:
            raise UnknownVariant(f"no variant is called {name!r}. Use {', '.join(VARIANTS)}.")
    return [variant for variant in _ALL if not names or variant.name in names]
