"""The saved view: what trainings are sorted by, and which columns are seen."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from bidpilot.training.tracking import Store, open_run
from bidpilot.training.tracking.page import save_view

LOG = "heldout/my_log/ratio_iqm"


def view(store: Store, experiment: str) -> dict[str, Any]:
    stored = store.client().get_experiment(save_view(store, experiment))
    found: dict[str, Any] = json.loads(stored.tags["mlflow.sharedViewState.bidpilot"])
    return found


@pytest.mark.parametrize(
    ("runs", "key"),
    [
        ((), "heldout/daily/ratio_iqm"),
        ((["validation/best_ratio_iqm"],), "validation/best_ratio_iqm"),
        ((["heldout/steady/ratio_iqm", "heldout/daily/ratio_iqm"],), "heldout/daily/ratio_iqm"),
        (
            (["heldout/my_log/ratio_iqm"], ["heldout/my_log/ratio_iqm"], ["heldout/daily/ratio_iqm"]),
            "heldout/my_log/ratio_iqm",
        ),
    ],
)
def test_trainings_are_sorted_by_the_suite_that_most_of_them_have_a_score_on(
    runs: Sequence[Sequence[str]], key: str, store: Store, request: pytest.FixtureRequest
) -> None:
    experiment = request.node.name
    for metrics in runs:
        with open_run(experiment, None, store=store) as run:
            run.log_metrics(dict.fromkeys(metrics, 0.9), 0)
    found = view(store, experiment)
    assert (found["orderByKey"], found["orderByAsc"]) == (f"metrics.`{key}`", False)
    assert found["searchFilter"] == "tags.kind = 'train'"
    assert found["selectedColumns"][0] == f"metrics.`{key}`"
    assert {"attributes.`Dataset`", "attributes.`Models`"} < set(found["selectedColumns"])
