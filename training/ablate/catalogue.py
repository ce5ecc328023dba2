"""The variants by name: what each leaves out of the default training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bidpilot.agents.learners.catalogue import WITH_MEMORY
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


_FROM_SCRATCH: Final = {"learning_rate": 1e-3, "log_std_init": -1.5}  # what starts from nothing has further to go

_ALL = (
    Variant(FULL, "nothing: residual on `adaptive`, imitation, the learner, campaigns and worlds at random", {}),
    Variant("imitation", "the learner: imitation alone", {"total_steps": 0}),
    Variant(
        "no_imitation",
        "imitation: the learner from the re-plan on, with steps of 1e-3 from a spread of exp(-1.5)",
        {SETTINGS: _FROM_SCRATCH, "imitation": {"rounds": 0}},
    ),
    Variant(
        "hindsight", "the law: a teacher that is told the auctions to come", {"imitation": {"teacher": "hindsight"}}
    ),
    Variant("no_worlds", "worlds: every day is of `daily`, its campaign at random", {"worlds": 0}),
    Variant("no_history", "sight of the history features", {SETTINGS: {"hidden": ("history",)}}),
    Variant("on_mpc", "the re-plan of `adaptive`: residual on that of `mpc`", {SETTINGS: {"base": "mpc"}}),
    Variant("no_groups", "groups: every row plays a day of its own", {SETTINGS: {"group": 1}}),
    Variant(
        "memory",
        f"groups, and adds memory: an LSTM over the day's slots, by `{WITH_MEMORY}`, which has no groups",
        {"learner": WITH_MEMORY},
        beside="no_groups",
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
