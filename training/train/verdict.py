"""The verdict that ends a training: who plays best on days that have chosen nothing, and so what is exported.

The policy, what imitation had left where the learner went on from there, its base and the controllers play the grounds:
held-out worlds and other days of a preset, or the recorded days of a log that judge. Differences are paired by day,
with 95 % intervals by the unit that days share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, controller_agent
from bidpilot.agents.acting.controllers import ADAPTIVE, MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import Gains
from bidpilot.envs import seeding
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.markets.worlds import WORLDS
from bidpilot.training.evaluation.rows import held_out_metrics, pair_row
from bidpilot.training.evaluation.statistics import LEAST, NO_INTERVAL, interquartile_mean, interval
from bidpilot.training.evaluation.suites import Suite, recorded_arena, setting_arena, worlds_arena
from bidpilot.training.evaluation.traffic import FilterOf
from bidpilot.training.report.tables import PairRow
from bidpilot.training.setting.setting import Setting
from bidpilot.training.setting.split import thinned

IMITATED: Final = "imitated"
"""The policy as imitation left it, before the learner's first step."""
TOLERATED: Final = 0.002
"""R / R* that a choice may lose to another on a ground; an interval wholly beyond it excludes."""
ALIKE: Final = 1e-4
"""Differences of R / R* on every day, below which a policy plays as its base."""

Days = NDArray[np.float64]
"""R / R* (D,) of one agent on one ground."""


Gap = tuple[float, float, float]
"""A mean difference of R / R* over grounds, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Ground:
    """What was played on one ground."""

    name: str
    ratios: Mapping[str, Days]  # by agent
    units: NDArray[np.int64]  # (D,) that each day belongs to

    def pair(self, agent: str, against: str) -> PairRow:
        """What one has more than the other."""
        return pair_row(self.name, agent, against, self.ratios[agent] - self.ratios[against], self.units, 0)

    def scores(self, agent: str) -> dict[str, float]:
        """The held-out metrics of a training whose policy is `agent`."""
        ratio = self.ratios[agent]
        ends = interval(ratio, self.units, np.random.default_rng(0)) or NO_INTERVAL
        beside = float((ratio - self.ratios[MPC.name]).mean())
        return held_out_metrics(self.name, interquartile_mean(ratio), ends, beside, len(ratio))

    @property
    def judges(self) -> bool:
        """Whether there are days enough for an interval."""
        return len(np.unique(self.units)) >= LEAST


@dataclass(frozen=True)
class Verdict:
    """Who is exported, and why."""

    choice: str
    why: str
    pairs: tuple[PairRow, ...]
    means: Mapping[str, Mapping[str, float]]  # of R / R*, by ground and agent
    alike: bool  # whether the policy plays as its base
    scores: Mapping[str, float]  # held-out metrics of the policy
    learnt: Gap | None = None  # what the policy has more than what imitation left; None where none was played

    def record(self) -> dict[str, Any]:
        """As it is stored with the run."""
        return {
            "choice": self.choice,
            "why": self.why,
            "plays_as_its_base": self.alike,
            "means": self.means,
            "pairs": self.pairs,
        }


def verdict_grounds(setting: Setting, days: int, seed: int, filter_of: FilterOf, worlds: bool) -> list[Suite]:
    """Where a training is judged, `days` at most on each ground; with `worlds`, a preset's held-out worlds too.

    None where a log has no days that judge: those that it learnt from, or was chosen by, would flatter a policy.
    """
    if setting.reference_log is not None and setting.split is not None:
        judging = thinned(setting.split.judging, days)
        if not judging:
            return []
        _, units = np.unique([setting.reference_log.days[day].unit for day in judging], return_inverse=True)
        return [Suite(setting.name, {}, recorded_arena(setting, judging, filter_of), units)]
    grounds = [Suite(setting.name, {}, setting_arena(setting, days, seeding.VERDICT, seed, filter_of), np.arange(days))]
    if worlds and setting.name in PRESETS:
        count = min(WORLDS, days)
        arena = worlds_arena(setting, days, seeding.VERDICT_WORLDS, seed, count, filter_of)
        grounds.append(Suite("worlds", {}, arena, np.arange(len(arena.days)) % count))
    return grounds


def reach_verdict(
    grounds: Sequence[Suite],
    policy: NetworkPolicy,
    imitated: NetworkPolicy | None,
    gains: Gains,
    validated: Mapping[str, float],
) -> Verdict:
    """Play everyone and choose; `imitated` is left out where it is None or the policy itself.

    Args:
        grounds: where it is played.
        policy: what was trained, by its learner's name.
        imitated: what imitation had left.
        gains: of the controllers, as they are exported with.
        validated: mean of R / R* of policy and controllers on the days that chose the policy, for want of others.
    """
    base = MPC.name if policy.residual is None else policy.residual.base.name
    controllers = tuple(dict.fromkeys((base, MPC.name, ADAPTIVE.name)))
    agents: dict[str, Agent] = {name: controller_agent(name, gains.get(name)) for name in controllers}
    if imitated is not None and imitated is not policy:
        agents[IMITATED] = imitated
    agents[policy.name] = policy
    played = [
        Ground(s.name, {name: s.arena.play(agent).ratio for name, agent in agents.items()}, s.kept_units)
        for s in grounds
    ]
    choice, why = choose((*controllers, policy.name), played, validated)
    others = [name for name in agents if name != policy.name]
    pairs = [(policy.name, name) for name in others] + [(name, base) for name in controllers[1:]]
    gaps = [np.abs(ground.ratios[policy.name] - ground.ratios[base]).max() for ground in played]
    return Verdict(
        choice,
        why,
        tuple(ground.pair(agent, against) for ground in played for agent, against in pairs),
        {ground.name: {name: float(days.mean()) for name, days in ground.ratios.items()} for ground in played},
        alike=bool(gaps) and float(max(gaps)) < ALIKE,
        scores={name: value for ground in played for name, value in ground.scores(policy.name).items()},
        learnt=_learnt(policy.name, played) if IMITATED in agents else None,
    )


def _learnt(policy: str, grounds: Sequence[Ground]) -> Gap | None:
    """What a policy has more than what imitation left, over the grounds that judge; None where there are none."""
    pairs = [ground.pair(policy, IMITATED) for ground in grounds if ground.judges]
    return _together(pairs) if pairs else None


def choose(candidates: Sequence[str], grounds: Sequence[Ground], validated: Mapping[str, float]) -> tuple[str, str]:
    """Who of `candidates`, the simplest first and the policy last, is exported, and why.

    Whoever falls behind another by more than `TOLERATED` on some ground, with the whole interval, is out; where all do,
    all but who falls behind the least. Of the rest the simplest stands, until one after it is better in the mean over
    grounds with the interval above 0. Where too few days are left to judge, the policy stands if it is no worse than
    the first of them in the mean of the days that it was `validated` on, by candidate. These flatter it.
    """
    judged = [ground for ground in grounds if ground.judges]
    if not judged:
        base, policy = candidates[0], candidates[-1]
        gap = validated[policy] - validated[base]
        return (
            policy if gap >= 0.0 else base,
            "too few days that chose nothing to judge by: on those that chose "
            f"{policy} it has {gap:+.4f} beside {base}",
        )
    behind = {name: max(_behind(name, candidates, judged)) for name in candidates}
    most = max(TOLERATED, min(behind.values())[0])
    left = [name for name in candidates if behind[name][0] <= most]
    choice, reasons = left[0], [behind[name][1] for name in candidates if name not in left]
    for name in left[1:]:
        mean, low, high = _together([ground.pair(name, choice) for ground in judged])
        found = f"{mean:+.4f} ({low:+.4f} .. {high:+.4f}) over {len(judged)} ground{'s' * (len(judged) != 1)}"
        if low > 0.0:
            reasons.append(f"{name} is better than {choice}: {found}")
            choice = name
        else:
            reasons.append(f"{name} is not shown to be better than {choice}: {found}")
    return choice, "; ".join(reasons)


def _behind(name: str, candidates: Sequence[str], grounds: Sequence[Ground]) -> list[tuple[float, str]]:
    """How far a candidate falls behind each other at least, by the near end of the interval, and that in words."""
    found = []
    for ground in grounds:
        for other in candidates:
            lost = -(ground.pair(name, other)["diff_high"] or 0.0)
            found.append((lost, f"{name} falls behind {other} on {ground.name} by at least {lost:.4f}"))
    return found


def _together(pairs: Sequence[PairRow]) -> Gap:
    """The mean over grounds, whose days are apart, and the ends of its interval: half-widths add as errors do."""
    mean = sum(pair["diff"] for pair in pairs) / len(pairs)
    below, above = (
        math.sqrt(sum((pair["diff"] - (pair[end] or 0.0)) ** 2 for pair in pairs)) / len(pairs)
        for end in ("diff_low", "diff_high")
    )
    return mean, mean - below, mean + above
