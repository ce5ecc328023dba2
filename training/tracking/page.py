"""The page of the UI that shows which training is best: trainings alone, sorted by the held-out metric.

Its columns are a saved view of MLflow's, kept as a tag of the experiment; an address alone cannot name columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Final

from bidpilot.training.tracking.find import finished_runs
from bidpilot.training.tracking.metrics import FIRST_SUITE, RATIO, held_out, scored_suites
from bidpilot.training.tracking.store import Store, tracking_errors

VIEW: Final = "bidpilot"
"""The saved view's name."""
_VIEW_TAG: Final = f"mlflow.sharedViewState.{VIEW}"
_FIRST: Final[Mapping[str, int]] = {"attributes.`Dataset`": 180, "attributes.`Models`": 150}
"""What stands beside the score, with widths in pixels: little room is left by MLflow's own columns."""
_LAST: Final[Mapping[str, int]] = {
    "attributes.`Source`": 130,
    "params.`seed`": 70,
    "params.`total_steps`": 110,
    "tags.`choice`": 110,
}
"""What stands beside what a training has more than `mpc`."""
_METRIC_WIDTH: Final = 185


def runs_page(experiment_id: str) -> str:
    """The page of an experiment's trainings; the server's own start page opens another mode of the UI."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def plain_page(experiment_id: str) -> str:
    """The page of all of an experiment's runs, where no view can be saved."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning"


def save_view(store: Store, experiment: str) -> str:
    """Save the view of the experiment called `experiment`, made where missing, as its trainings are now; its id.

    Raises:
        TrackingError: the store cannot be used.
    """
    experiment_id = store.experiment_id(experiment)
    score, beside = (f"metrics.`{name}`" for name in _headline(store, experiment))
    columns = {score: _METRIC_WIDTH, **_FIRST, beside: _METRIC_WIDTH, **_LAST}
    view = {
        "searchFilter": "tags.kind = 'train'",
        "orderByKey": score,
        "orderByAsc": False,
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": columns,
    }
    with tracking_errors(store):
        store.client().set_experiment_tag(experiment_id, _VIEW_TAG, json.dumps(view))
    return experiment_id


def _headline(store: Store, experiment: str) -> tuple[str, str]:
    """What runs are sorted by, and what stands beside it: of the suite that most trainings have a score on.

    Of validation, where none has any.
    """
    runs = finished_runs("train", experiment=experiment, store=store)
    suites = Counter(suite for run in runs for suite in scored_suites(run.metrics))
    if not suites and runs:
        return f"validation/best_{RATIO}", "validation/ratio_vs_mpc"
    suite = max(suites, key=lambda name: (suites[name], name == FIRST_SUITE), default=FIRST_SUITE)
    return held_out(suite), held_out(suite, "ratio_vs_mpc")
