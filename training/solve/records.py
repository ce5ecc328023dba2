"""What plans and fronts say, as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.allocation import Allocation, ConstraintDual
from bidpilot.solvers.pareto import FrontPoint, ParetoFront


def plan_record(plan: Allocation) -> dict[str, Any]:
    """An allocation. KPIs by name, segments by name; spend and wins are lists over slots of lists over segments."""
    return {
        "status": plan.status,
        "utility": plan.utility,
        "kpi": _by(KPI, plan.kpi),
        "ideal": _by(KPI, plan.ideal),
        "alpha": _by(KPI, plan.alpha),
        "m": _by(plan.segments, plan.multiplier),
        "beta": _by(plan.segments, plan.beta),
        "lambda": plan.shadow_price,
        "duals": dual_records(plan.duals),
        "segments": list(plan.segments),
        "spend": plan.spend.tolist(),
        "wins": plan.wins.tolist(),
        "gap": plan.gap,
        "solver": plan.solver,
        "fallback": plan.fallback,
        "nothing": plan.nothing,
        "seconds": plan.seconds,
    }


def pareto_record(front: ParetoFront) -> dict[str, Any]:
    """A front, the reference point of its hypervolume and the definition of its knee included."""
    return {
        "points": [point_record(p, front.segments) for p in front.points],
        "ends": {KPI[j]: point_record(p, front.segments) for j, p in zip(front.active, front.ends, strict=True)},
        "ideal": _by(KPI, front.ideal),
        "reference_point": list(front.reference_point),
        "hypervolume": front.hypervolume,
        "hypervolume_unit": "ideal points of " + ", ".join(KPI[j] for j in front.active),
        "nothing": front.nothing,
        "knee": point_record(front.knee, front.segments),
        "knee_height": front.knee_height,
        "knee_definition": "the point farthest above the plane through the ends, in ideal points",
    }


def point_record(point: FrontPoint, segments: tuple[str, ...]) -> dict[str, Any]:
    """One plan of a front."""
    return {
        "preference": point.preference,
        "floors": point.floors,
        "kpi": _by(KPI, point.kpi),
        "share": _by(KPI, point.share),
        "spend": _by(segments, point.spend),
        "wins": _by(segments, point.wins),
    }


def conflict_record(error: InfeasibleCampaign) -> dict[str, Any]:
    """Why a campaign is infeasible."""
    return {"status": "infeasible", "reason": str(error), "conflicts": [c._asdict() for c in error.conflicts]}


def dual_records(duals: tuple[ConstraintDual, ...]) -> list[dict[str, Any]]:
    """Duals; what is infinite (a cost per conversion without conversions) is null, as JSON has no word for it.

    Prices are told for a bound that rises by 1, and by `step`: one percentage point of a share.
    """
    return [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in _dual(d).items()} for d in duals
    ]


def _dual(dual: ConstraintDual) -> dict[str, Any]:
    return asdict(dual) | {"utility_per_step": dual.utility_per_step, "money_per_step": dual.money_per_step}


def write_json(record: dict[str, Any], path: Path | None, console: Console) -> None:
    """Write a record where a file is named."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        console.print(f"result written to {path}")


def _by(names: tuple[str, ...], values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
