"""What is kept of a suite as soon as it has been played: with the run that played it, and with the runs it played."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.bidding.errors import BidpilotError
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant, fixed_gains
from bidpilot.training.evaluation.names import FILTERED, INFORMED, KNOWABLE, REFERENCES
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.rows import row_metrics
from bidpilot.training.evaluation.spread import SuitePlayed
from bidpilot.training.evaluation.suites import Suite
from bidpilot.training.report.tables import AgentRow, PairRow, short_name
from bidpilot.training.tracking import Run, find_run, written_to
from bidpilot.training.tracking.metrics import held_out, plain
from bidpilot.training.tracking.story import NOTE, PARENT, listed, named_run, note, training_note

DAYS: Final = "days"
"""Folder of a run's artifacts with R / R* day by day, a file for each suite."""
_TOLD_MORE: Final = (INFORMED, KNOWABLE, FILTERED)  # than a bidder is: none of them is the best that can be had
AS_IT_IS: Final = json.dumps({"margin": 0.0, "filter": True})
"""The conditions of a suite that is played as it is: targets are told whole, traffic is filtered."""
GAINS_FILE: Final = "gains.json"
"""The gains that controllers played with, by suite."""


def evaluation_name(config: EvaluateConfig, contestants: Sequence[Contestant], suites: Sequence[str]) -> str:
    """What an evaluation's run is called: the policies that it plays, or else its agents, and on what."""
    learnt = [named_run(c.name.partition("@")[0], c.runs) for c in contestants if c.runs]
    agents = listed(learnt or [c.name for c in contestants if c.name not in REFERENCES] or REFERENCES, "agents")
    return f"{'front' if config.front else 'evaluate'} {agents} {listed(suites, 'suites')}"


def conditions(config: EvaluateConfig) -> tuple[str, bool]:
    """What is played under beside the suites' own terms, and whether scores are those of the suites as they are."""
    asked = json.dumps({"margin": config.cpa_margin, "filter": config.traffic_filter})
    own = not config.terms() and config.targets and config.calendar is None and config.forecast is None
    return asked, own and asked == AS_IT_IS


@dataclass
class Record:
    """Of one evaluation.

    Args:
        run: what it is written to.
        file: name of the artifact with the rows.
        conditions: in words, what days are played under beside the suite's own terms: days under others are others.
        back: whether trainings are told their scores, which no terms of the evaluation's own may have made.
    """

    run: Run
    file: str
    conditions: str = AS_IT_IS
    back: bool = True
    _rows: list[AgentRow] = field(default_factory=list)
    _pairs: list[PairRow] = field(default_factory=list)
    _gains: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def suite(
        self,
        suite: Suite | SuitePlayed,
        contestants: Sequence[Contestant],
        outcomes: Mapping[str, Outcome],
        rows: Sequence[AgentRow],
        pairs: Sequence[PairRow],
    ) -> None:
        """Keep rows, days, gains and metrics of a suite."""
        self._rows += rows
        self._pairs += pairs
        self.run.log_json([*self._rows, *self._pairs], self.file)
        days = days_record(suite, contestants, outcomes, self.conditions)
        self.run.log_json(days, f"{DAYS}/{plain(suite.name)}.json")
        self.run.log_dataset(suite.name, days["days"], {"suite": suite.name, "days": days["days"]}, "evaluation")
        self._gains[suite.name] = {c.name: fixed_gains(c.name, suite.gains) for c in contestants if not c.policies}
        self.run.log_json(self._gains, GAINS_FILE)
        self.run.set_tags({"gains_digest": _digest(json.dumps(self._gains, sort_keys=True).encode())})
        self.run.log_metrics(row_metrics(rows, metric_names(list(outcomes))), 0)
        self.run.set_tags({NOTE: self._note()})
        if self.back and not suite.other_market:
            for contestant in contestants:
                _tell_trainings(contestant, rows)

    def _note(self) -> str:
        """The run's description: who was best on each suite so far, and what each policy has beside `mpc`."""
        suites = list(dict.fromkeys(row["suite"] for row in self._rows))
        results = [_told([row for row in self._rows if row["suite"] == suite]) for suite in suites]
        runs = dict.fromkeys(run for row in self._rows for run in (row.get("run") or "").split(",") if run)
        commands = [f"bidpilot export {run} --out bundle" for run in runs]
        return note(f"evaluation of {self.run.name.partition(' ')[2]}", ", ".join(suites), results, commands)


def parent(contestants: Sequence[Contestant]) -> dict[str, str]:
    """The tag that puts an evaluation below the one training whose policy it plays; none where it plays several."""
    runs = list(dict.fromkeys(run for contestant in contestants for run in contestant.runs))
    return {PARENT: runs[0]} if len(runs) == 1 else {}


def metric_names(agents: Sequence[str]) -> Mapping[str, str]:
    """What metrics call each agent: the learner's alone where only one agent is learned."""
    learned = {agent for agent in agents if agent.partition("@")[0] in LEARNERS}
    return {a: a.partition("@")[0] if {a} == learned else short_name(a) for a in agents}


def _told(rows: Sequence[AgentRow]) -> str:
    """One suite in words: the best agent, and policies beside `mpc`."""
    best = max((row for row in rows if row["agent"] not in _TOLD_MORE), key=lambda row: row["iqm"])
    learnt = [f"{short_name(r['agent'])} {r['iqm']:.4f}, {r['vs_mpc']:+.4f} beside mpc" for r in rows if r.get("run")]
    first = f"{rows[0]['suite']}, {rows[0]['days']} days: best is {short_name(best['agent'])} with {best['iqm']:.4f}"
    return "; ".join((first, *learnt))


def days_record(
    suite: Suite | SuitePlayed,
    contestants: Sequence[Contestant],
    outcomes: Mapping[str, Outcome],
    conditions: str = AS_IT_IS,
) -> dict[str, Any]:
    """R / R* of every row on every day, with a digest that days share which are the same, scored alike.

    `runs` holds the training run of each row that is of one policy.
    """
    units, reference = suite.kept_units, suite.reference
    return {
        "suite": suite.name,
        "days": _digest(reference.tobytes(), units.tobytes(), conditions.encode()),
        "units": units.tolist(),
        "runs": {row: run for contestant in contestants for row, run in _own_policies(contestant)},
        "ratio": {row: outcome.ratio.tolist() for row, outcome in outcomes.items()},
    }


def _own_policies(contestant: Contestant) -> list[tuple[str, str]]:
    """Row and run of each policy that a training made; what a run exports may be a controller, which is none."""
    rows = zip(contestant.policies, contestant.runs, strict=True)
    return [(row, run) for row, run in rows if isinstance(contestant.policies[row], NetworkPolicy)]


def _tell_trainings(contestant: Contestant, rows: Sequence[AgentRow]) -> None:
    """Write the scores of each policy back to the run that trained it, where no more days stand behind those it has."""
    by_agent = {row["agent"]: row for row in rows}
    for name, run_id in _own_policies(contestant):
        row = by_agent[name]
        if row.get("trained_on"):
            continue
        try:
            _tell(run_id, row)
        except BidpilotError as error:
            print(f"the scores of {name} are not written to its training run: {error}", file=sys.stderr)


def _tell(run_id: str, row: AgentRow) -> None:
    """Write a row's scores to a training run, unless its own are of more days, or have an interval and these none."""
    metrics, suite = find_run(run_id).metrics, row["suite"]
    loses_interval = row["ci_low"] is None and held_out(suite, "ratio_iqm_low") in metrics
    if row["days"] < metrics.get(held_out(suite, "days"), 0) or loses_interval:
        return
    training = written_to(run_id)
    training.log_metrics(row_metrics([row], {row["agent"]: None}), 0)
    training.set_tags({NOTE: training_note(find_run(run_id))})


def _digest(*parts: bytes) -> str:
    return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()
