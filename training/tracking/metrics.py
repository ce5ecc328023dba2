"""The names of metrics: one namespace for every learner, agent and command.

A training run has its own scores without an agent's name; a run that plays several agents names each, as
`heldout/SUITE/AGENT/ratio_iqm`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "heldout/SUITE/ratio_iqm": "interquartile mean of R / R* on days that have chosen nothing",
        "heldout/SUITE/ratio_iqm_low": "lower end of its confidence interval; none below three groups of days",
        "heldout/SUITE/ratio_iqm_high": "upper end",
        "heldout/SUITE/ratio_vs_mpc": "mean of R / R* minus that of `mpc` on the same days",
        "heldout/SUITE/days": "how many days those are; 0: the run was resumed, its scores are of an earlier policy",
        "heldout/SUITE/bound_mean": "of `limit`: the most that a policy which does not know the future has in the mean",
        "heldout/SUITE/AGENT/room": "of `limit`: what an agent lacks of it",
        "heldout/SUITE/AGENT/hypervolume_share": "of `evaluate --front`: share of the hindsight optimum's front",
        "heldout/SUITE/AGENT/worst_loss": "the same: the most of the optimum's utility that is missed at a preference",
        "validation/ratio_iqm": "interquartile mean of R / R* on the days that choose the best policy",
        "validation/ratio_mean": "mean, by which it is chosen",
        "validation/ratio_p5": "5th percentile over days",
        "validation/ratio_vs_mpc": "mean of R / R* minus that of `mpc` on the same days",
        "validation/ratio_vs_mpc_low": "lower end of its confidence interval; none below three groups of days",
        "validation/ratio_vs_mpc_high": "upper end",
        "validation/spend_share": "spend over budget, mean over days",
        "validation/best_ratio_iqm": "that of the policy that is kept, shrunk, once training has ended",
        "validation/best_step": "environment steps after which it was the best",
        "imitation/": "losses of actor and critic by round of imitation",
        "multiplier/": "price of a missed constraint by tightness of budget, where a campaign of training has one",
        "train/, rollout/, time/": "what stable-baselines3 tells of its updates, rollouts and speed",
        "market/AGENT/": "of `market`: prices, R / R*, Gini and money left where all bidders are that agent",
        "tuning/AGENT/": "of `tune`: R / R* of the best trial and of the defaults on training days, and held out",
    }
)
"""What each metric means, by name or by the prefix of several. The manual's table is this one."""

RATIO: Final = "ratio_iqm"
"""The headline of a suite."""
FIRST_SUITE: Final = "daily"
"""The suite whose headline runs are sorted by where several have as many runs."""
_HEADLINE: Final = re.compile(rf"heldout/([^/]+)/{RATIO}")


def held_out(suite: str, measure: str = RATIO, agent: str | None = None) -> str:
    """The name of a measure on a suite, of an agent where a run plays several."""
    return "/".join(("heldout", plain(suite), *(() if agent is None else (plain(agent),)), measure))


def scored_suites(metrics: Mapping[str, float]) -> list[str]:
    """The suites that a training run has a headline of; those that a resumed run has lost, of 0 days, are left out."""
    suites = [found[1] for name in metrics if (found := _HEADLINE.fullmatch(name)) is not None]
    return [suite for suite in suites if metrics.get(held_out(suite, "days"), 1) > 0]


def plain(name: str) -> str:
    """A name in the letters that a metric or a model may have."""
    return re.sub(r"[^\w.-]", "_", name)
