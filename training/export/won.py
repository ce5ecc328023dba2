"""Whether a bundle has won an experiment: what `bidpilot promote --won` asks for, and a registered model may demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidExperiment, PromotionRefused
from bidpilot.training.tracking import download, resolve_run

DEMAND = "needs_experiment"
"""Tag of a registered model, or of one version of it, whose value `true` lets `promote` demand a won experiment."""
_WON = "won"
_FILE = "experiment.json"


def won_by(told: str, challenger: Bundle, champion: Bundle | None) -> str:
    """What the experiment says that the challenger has won, in words.

    Args:
        told: a file that `ab analyse --json` wrote, or the run of an `ab analyse`: id, beginning of an id, or name.
        challenger, champion: who is to be promoted, and in whose place; None: there is no champion.

    Raises:
        PromotionRefused: it was not won, by another bundle, or against another than the champion.
        InvalidExperiment: the file holds no analysed experiment, or one that was not served.
        RunNotFound, AmbiguousRun: there is no such run, or several.
    """
    row = _row(told)
    name, verdict = row["experiment"], row["verdict"]
    control, treated = row["bundles"]
    if verdict != _WON:
        raise PromotionRefused(
            f"the experiment {name} is not won: after {row['after']} of {row['units']} days its verdict is "
            f"{verdict!r}. Let it go on, or promote what has won."
        )
    _same("was won by", name, treated, challenger, "the challenger is", "Promote that run, or serve this one in an arm")
    if champion is not None:
        _same("was won against", name, control, champion, "the champion is", "Hold it against the champion of now")
    return (
        f"experiment {name}: {row['treated']} against {row['control']}, {row['difference']:+.2%} "
        f"({row['low']:+.2%} to {row['high']:+.2%}) after {row['after']} days"
    )


def _same(what: str, name: str, arm: dict[str, str], bundle: Bundle, whose: str, remedy: str) -> None:
    """Refuse where an arm's bundle is of another run or of another agent of it."""
    own = bundle.manifest.origin.run_id, bundle.manifest.agent.name
    if (arm["run"], arm["agent"]) != own:
        raise PromotionRefused(
            f"the experiment {name} {what} {arm['agent']} of run {arm['run'][:8]} (arm {arm['arm']}), and {whose} "
            f"{own[1]} of run {own[0][:8]}. {remedy}."
        )


def _row(told: str) -> dict[str, Any]:
    path = Path(told)
    if not path.is_file():
        path = download(resolve_run(told, ("experiment",)).run_id, _FILE)
    try:
        (row,) = json.loads(path.read_text())
        known = {
            name: row[name] for name in ("experiment", "bundles", "verdict", "after", "units", "control", "treated")
        }
        if known["experiment"] is None or len(known["bundles"]) != 2:
            raise InvalidExperiment(
                f"the experiment {told} was not served: nobody knows whose bundles its arms had. Serve it "
                "(bidpilot serve --experiment) and analyse its decision log."
            )
        for arm in known["bundles"]:
            known |= {key: arm[key] for key in ("arm", "run", "agent")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidExperiment(
            f"{told} holds no analysed experiment ({type(error).__name__}: {error}). Give what `bidpilot ab analyse "
            "--json FILE` wrote, or its run."
        ) from error
    return dict(row)


def demanded(tags: dict[str, str]) -> bool:
    """Whether the tags of a model or a version demand a won experiment."""
    return tags.get(DEMAND, "").strip().lower() == "true"
