"""The analysis of one experiment: what is known after its units, and the word that ends it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.training.experiments.past import Past
from bidpilot.training.experiments.sequence import BURN_IN
from bidpilot.training.experiments.units import OFFERED, Array, Units
from bidpilot.training.experiments.verdict import (
    Columns,
    Look,
    Terms,
    Verdict,
    first_ending,
    guardrails,
    log_mismatch,
    primary_look,
    verdicts,
)
from bidpilot.training.report.experiments import ExperimentRow, MetricRow

_MOST = 700.0  # log e-value that a float still holds


@dataclass(frozen=True)
class Analysis:
    """What was found, and the path of the primary metric for a picture."""

    row: ExperimentRow
    look: Look
    terms: Terms


def analyse(units: Units, terms: Terms, past: Units | None = None) -> Analysis:
    """Analyse an experiment; `past` are units of arms that were alike, from before it.

    Raises:
        InvalidExperiment: one unit alone, or a past of another design.
    """
    if len(units) < 2:
        raise InvalidExperiment("an experiment of one unit cannot be analysed: it has no spread. Wait for more.")
    learnt = _learnt(units, past)
    columns = Columns.of(units, learnt)
    primary, guarded = primary_look(columns, terms), guardrails(columns, terms)
    ended, after = first_ending(verdicts(columns, terms))
    mismatch = log_mismatch(columns)
    plain = Columns.of(units)
    (_, lost), *others = guarded  # the first guardrail is the primary metric itself
    rows = [_metric(primary, plain, lost), *(_metric(look, plain, worse) for look, worse in others)]
    row = ExperimentRow(
        control=units.arms[0],
        treated=units.arms[1],
        design=units.design,
        units=len(units),
        verdict=str(list(Verdict)[int(ended)]),
        after=int(after),
        difference=rows[0]["difference"],
        low=rows[0]["low"],
        high=rows[0]["high"],
        p=rows[0]["p"],
        split_evidence=None if mismatch is None else _evidence(float(mismatch.max())),
        variance_left=None if learnt is None or learnt.cuped is None else learnt.cuped.left,
        covariates=[] if learnt is None else [OFFERED[k] for k in learnt.covariates],
        metrics=rows,
        notes=_notes(units, columns, past),
        experiment=None,
        bundles=[],
    )
    return Analysis(row, primary, terms)


def _learnt(units: Units, past: Units | None) -> Past | None:
    if past is None:
        return None
    if (past.design == "switchback") != (units.design == "switchback"):
        raise InvalidExperiment(
            f"the past is of design {past.design} and the experiment of {units.design}: what covariates explain of one "
            "is not what they do of the other. Give a past of the same design."
        )
    if past.shares != units.shares or past.preference != units.preference:
        raise InvalidExperiment(
            "the past has other shares or another preference. Make it with those of the experiment."
        )
    return Past.of(past, units.known_offered)


def _metric(look: Look, columns: Columns, worse: NDArray[np.bool_]) -> MetricRow:
    control, treated = _levels(look.name, columns)
    last = look.path.estimate[-1]
    evidence = look.log_evidence
    return MetricRow(
        metric=look.name,
        control=control,
        treated=treated,
        difference=_number(float(look.told(last))),
        low=_number(float(look.told(look.low[-1]))) if np.isfinite(look.low[-1]) else None,
        high=_number(float(look.told(look.high[-1]))) if np.isfinite(look.high[-1]) else None,
        evidence=_evidence(float(evidence[-1])),
        p=float(min(1.0, np.exp(-evidence.max()))),
        harmed_after=int(worse.argmax()) + 1 if worse.any() else None,
    )


def _levels(name: str, columns: Columns) -> tuple[float | None, float | None]:
    """What the arms have: a unit's mean, or a rate over all units."""
    if name == "cost per conversion":
        found = _rate(columns.spend, columns.conversions)
    elif name == "invalid share":
        found = _rate(columns.invalid_wins, columns.told_wins)
    else:
        found = (columns.primary if name == "expected utility" else columns.realised).mean(axis=0)
    return _number(found[0]), _number(found[1])


def _rate(part: Array, whole: Array) -> Array:
    total = whole.sum(axis=0)
    return np.where(total > 0, part.sum(axis=0) / np.where(total > 0, total, 1.0), np.nan)


def _notes(units: Units, columns: Columns, past: Units | None) -> list[str]:
    notes = list(units.notes)
    if units.design == "shared":
        notes.append(
            "both arms spent one budget: who bids more takes the other's money, so that the sign of the difference may "
            "be wrong. Split the money with the users."
        )
    if past is None:
        notes.append("without a past (--past) nothing of the days' noise is taken away")
    if not columns.tests_split and units.design != "switchback":
        notes.append("nobody says how many users each arm had, so that the split is not tested")
    elif 0 < units.counts_users.sum() < len(units):
        counted = f"{units.counts_users.sum()} of {len(units)} units"
        notes.append(f"the split is tested on {counted}: the others do not say how many users each arm had")
    if not units.tells_invalid.any():
        notes.append("nobody says which wins were invalid, so that their share is not guarded")
    elif not units.tells_invalid.all():
        told = f"{units.tells_invalid.sum()} of {len(units)} units"
        notes.append(f"the share of invalid wins is guarded on {told}: of the others nobody says which were")
    known = () if past is None else past.known_offered
    untold = [OFFERED[k] for k in known if k not in units.known_offered]
    if untold:
        notes.append(f"nothing is taken away by {', '.join(untold)}, which not every unit tells")
    if len(units) < BURN_IN:
        notes.append(f"{len(units)} units: the primary metric has its first interval after {BURN_IN}")
    return notes


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _evidence(log: float) -> float:
    return float(np.exp(min(log, _MOST)))
