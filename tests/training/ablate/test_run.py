"""An ablation: what is trained and played, what a second call takes over, what is refused before any work."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidConfig, RunNotFound, UnknownSuite, UnknownVariant
from bidpilot.training.ablate import run as command
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.ablate.parts import PARTS
from bidpilot.training.cli import main
from bidpilot.training.cli.config import flat
from bidpilot.training.tracking import current_store, download, find_run, latest_finished_run
from bidpilot.training.train.many import Training

pytestmark = pytest.mark.usefixtures("project")

ROLLOUT = 16 * 48
TINY: dict[str, Any] = {
    "variants": ("no_imitation", "imitation"),
    "seeds": (0, 1),
    "total_steps": ROLLOUT,
    "rows": 16,
    "validation_days": 8,
    "suites": ("steady",),
    "days": 6,
    "workers": 1,  # one process loads the libraries, not two
    "worlds": 4,
    "pool": {"size": 4},
    "imitation": {"rounds": 1},
    "ppo": {"batch_size": 256, "epochs": 1, "net": (8, 8)},
}


class Begun(Exception):
    """Names the trainings that would have begun."""


def no_training(jobs: Sequence[Training], *_: object) -> Iterator[tuple[int, str]]:
    if jobs:
        raise Begun(*(job.config.run_name for job in jobs))
    yield from ()


@pytest.fixture(scope="module")
def whole() -> str:
    """An ablation of two variants with two seeds each, on one suite."""
    return command.run(AblateConfig.model_validate(TINY))


def rows_of(run_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(download(run_id, "ablation.json").read_text())
    return rows


def trainings(run_id: str) -> dict[str, list[str]]:
    """Ids of the trainings by variant, as the rows name them."""
    found: dict[str, list[str]] = {}
    for row in rows_of(run_id):
        name, at, training = row["agent"].partition("@")
        if at:
            found.setdefault(name, []).append(training)
    return found


def test_every_variant_has_a_row_per_seed_and_one_over_them_beside_the_controllers(whole: str) -> None:
    rows = [row for row in rows_of(whole) if "iqm" in row]
    names = [row["agent"].partition("@")[0] for row in rows]
    controllers = ["mpc", "mpc_informed", "adaptive", *PARTS]
    assert names == [*controllers, *["imitation"] * 3, *["no_imitation"] * 3]
    assert {row["agent"]: row["seeds"] for row in rows}["imitation"] == 2
    pairs = [(row["agent"], row["against"]) for row in rows_of(whole) if "diff" in row]
    parts = [("adaptive", "mpc"), *((part, "adaptive") for part in PARTS)]
    assert pairs == [*parts, ("imitation", "mpc"), ("no_imitation", "mpc")]
    stored = find_run(whole)
    assert stored.metrics["heldout/steady/imitation/ratio_iqm"] == next(
        row["iqm"] for row in rows if row["agent"] == "imitation"
    )
    assert download(whole, "figures/ablation.png").stat().st_size > 1000


def test_each_training_is_a_run_of_its_own_kind_with_its_variants_configuration(whole: str) -> None:
    found = trainings(whole)
    for variant, steps, rounds in (("no_imitation", ROLLOUT, 0), ("imitation", 0, 1)):
        for seed, run_id in enumerate(found[variant]):
            training = find_run(run_id)
            assert training.name == f"ablate {variant} {seed}"
            assert (training.tags["kind"], training.tags["ablation.variant"]) == ("ablate", variant)
            assert training.tags["mlflow.parentRunId"] == whole
            asked = {"seed": seed, "total_steps": steps, "imitation.rounds": rounds}
            stored = flat(json.loads(download(run_id, "config.json").read_text()))
            assert {name: stored[name] for name in asked} == asked
            assert training.metrics["heldout/steady/days"] == TINY["days"]
    with pytest.raises(RunNotFound):  # so `ppo` in evaluation is none of them
        latest_finished_run("train")


def test_a_second_call_takes_what_is_trained_and_trains_what_is_not(
    whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "trained", no_training)
    again = command.run(AblateConfig.model_validate({**TINY, "days": 5}))
    assert trainings(again) == trainings(whole)
    for other, names in (
        ({"seeds": (1, 2)}, ("ablate imitation 2", "ablate no_imitation 2")),
        ({"total_steps": 2 * ROLLOUT}, ("ablate no_imitation 0", "ablate no_imitation 1")),  # imitation has none
        ({"variants": ("imitation",), "fresh": True}, ("ablate imitation 0", "ablate imitation 1")),
    ):
        with pytest.raises(Begun) as caught:
            command.run(AblateConfig.model_validate({**TINY, **other}))
        assert caught.value.args == names


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        ({"variants": ("full", "magic")}, UnknownVariant, "'magic'. Use full, imitation"),
        ({"suites": ("mars",)}, UnknownSuite, "mars"),
        ({"rows": 3}, InvalidConfig, "no multiple of ppo.batch_size"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    asked: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        command.run(AblateConfig.model_validate({**TINY, **asked, "experiment": "nothing"}))
    assert current_store().client().get_experiment_by_name("nothing") is None


def test_what_the_variants_leave_out_is_not_asked_for_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ablate", "--ppo.no-residual"])
    assert "name variants" in capsys.readouterr().err


def test_the_files_asked_for_hold_what_the_run_holds(
    whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "trained", no_training)
    page, rows = tmp_path / "docs" / "ablation.md", tmp_path / "rows.json"
    again = command.run(AblateConfig.model_validate({**TINY, "out": page, "json": rows}))
    assert json.loads(rows.read_text()) == rows_of(again) == rows_of(whole)
    assert page.read_text() == download(again, "ablation.md").read_text()
