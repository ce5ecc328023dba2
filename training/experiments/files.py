"""Units of an experiment as files: a row per unit and arm, JSON or Parquet, with what was agreed beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.bidding.kpi import KPI
from bidpilot.training.experiments.units import OFFERED, PREFERENCE, Design, Units

_AGREED: Final = "bidpilot_experiment"  # key of a Parquet file's metadata
_NUMBERS: Final = ("spend", "wins", *KPI, *(f"realised_{name}" for name in KPI))
_OPTIONAL: Final = ("assigned", "invalid_wins", *(f"offered_{name}" for name in OFFERED))


class Agreed(BaseModel):
    """What an experiment's file says beside its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: tuple[str, str] | None = None
    design: Design = "split"
    shares: tuple[float, float] = (0.5, 0.5)
    preference: tuple[float, float, float] = PREFERENCE
    scalarisation: Scalarisation = Scalarisation.weighted_sum
    ideal: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None


@dataclass(frozen=True)
class Stored:
    """Rows as they are stored, with what was agreed."""

    agreed: Agreed
    rows: list[dict[str, Any]]


def write_units(path: Path, units: Units) -> None:
    """Write units to a file whose ending says its form.

    Raises:
        InvalidExperiment: the ending is neither .json nor .parquet.
    """
    agreed = Agreed(
        arms=units.arms,
        design=units.design,
        shares=units.shares,
        preference=units.preference,
        scalarisation=units.kind,
        ideal=units.ideal,
    )
    _check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = _rows(units)
    if path.suffix == ".json":
        path.write_text(json.dumps({"experiment": agreed.model_dump(mode="json"), "rows": rows}) + "\n")
    else:
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path, metadata={_AGREED: agreed.model_dump_json()})


def read_units(path: Path, arms: Sequence[str] = ()) -> Units:
    """The units of a file.

    Args:
        path: .json or .parquet.
        arms: control and treated arm; those that the file names where there are none.

    Raises:
        InvalidExperiment: it cannot be read, lacks a column, or a unit does not have both arms once.
    """
    stored = _read(path)
    named = tuple(arms) or stored.agreed.arms
    if named is None or len(named) != 2:
        raise InvalidExperiment(f"{path} does not say which arm is the control. Give --arms CONTROL TREATED.")
    return _paired(stored, (named[0], named[1]), path)


def _rows(units: Units) -> list[dict[str, Any]]:
    rows = []
    for k, label in enumerate(units.labels):
        for a, arm in enumerate(units.arms):
            row: dict[str, Any] = {
                "unit": label,
                "arm": ("control", "treated")[a] if len(set(units.arms)) == 1 else arm,
            }
            row |= {name: _number(getattr(units, name)[k, a]) for name in ("assigned", "spend", "wins", "invalid_wins")}
            row |= {name: float(units.expected[k, a, j]) for j, name in enumerate(KPI)}
            row |= {f"realised_{name}": float(units.realised[k, a, j]) for j, name in enumerate(KPI)}
            row |= {f"offered_{name}": _number(units.offered[k, a, j]) for j, name in enumerate(OFFERED)}
            rows.append(row)
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _read(path: Path) -> Stored:
    _check_ending(path)
    try:
        if path.suffix == ".json":
            told = json.loads(path.read_text())
            return Stored(Agreed.model_validate(told.get("experiment", {})), list(told["rows"]))
        metadata = pl.read_parquet_metadata(path)
        agreed = Agreed.model_validate_json(metadata[_AGREED]) if _AGREED in metadata else Agreed()
        return Stored(agreed, pl.read_parquet(path).to_dicts())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise InvalidExperiment(
            f"{path} is no experiment's file ({said}). Give what `bidpilot ab run` wrote."
        ) from error


def _check_ending(path: Path) -> None:
    if path.suffix not in (".json", ".parquet"):
        raise InvalidExperiment(f"units are stored as .json or .parquet, and {path} is neither. Give such a name.")


def _paired(stored: Stored, arms: tuple[str, str], path: Path) -> Units:
    names = ("control", "treated") if arms[0] == arms[1] else arms
    by_unit: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in stored.rows:
        missing = [name for name in ("unit", "arm", *_NUMBERS) if row.get(name) is None]
        if missing:
            raise InvalidExperiment(f"a row of {path} has no {missing[0]}. Each has unit, arm, {', '.join(_NUMBERS)}.")
        pair = by_unit.setdefault(str(row["unit"]), {})
        if row["arm"] in pair:
            raise InvalidExperiment(f"unit {row['unit']} of {path} has arm {row['arm']} twice. Keep one row.")
        pair[row["arm"]] = row
    alone = next((unit for unit, pair in by_unit.items() if not set(names) <= set(pair)), None)
    if alone is not None:
        there = ", ".join(map(str, by_unit[alone]))
        raise InvalidExperiment(
            f"unit {alone} of {path} has arms {there}, not {names[0]} and {names[1]}. Units are paired: give both, or "
            "leave it out."
        )
    pairs = [[pair[name] for name in names] for pair in by_unit.values()]

    def column(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([[np.nan if row.get(name) is None else float(row[name]) for row in pair] for pair in pairs])

    agreed = stored.agreed
    return Units(
        arms=arms,
        labels=tuple(by_unit),
        assigned=column("assigned"),
        spend=column("spend"),
        wins=column("wins"),
        invalid_wins=column("invalid_wins"),
        expected=np.stack([column(name) for name in KPI], axis=-1),
        realised=np.stack([column(f"realised_{name}") for name in KPI], axis=-1),
        offered=np.stack([column(f"offered_{name}") for name in OFFERED], axis=-1),
        design=agreed.design,
        shares=agreed.shares,
        preference=agreed.preference,
        kind=agreed.scalarisation,
        ideal=agreed.ideal,
    )
