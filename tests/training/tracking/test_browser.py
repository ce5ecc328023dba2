"""The UI in a real browser: one server over a store of three trainings and an evaluation, made without training."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from bidpilot.training.tracking import Run, Store, find_run, open_run
from bidpilot.training.tracking.story import NOTE, PARENT, training_note
from tests.training.tracking.test_ui import free_port

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")

TRAINING = "workflowType=machine_learning"
SCREENSHOTS = os.environ.get("BIDPILOT_SCREENSHOTS")
"""Folder to keep pictures of the pages in, for a look."""
SCORES = {"ppo daily s0": 0.9712, "ppo daily s1": 0.9791, "ppo daily s2": 0.9655}


def training(store: Store, name: str, score: float, folder: Path) -> Run:
    seed = int(name[-1])
    params = {"learner": "ppo", "market": "daily", "seed": seed, "total_steps": 294_912, "ppo.epochs": 3 + seed}
    tags = {"setting": "daily", "learner": "ppo", "choice": "ppo", "mlflow.source.name": "bidpilot train"}
    with open_run("bidpilot", name, params, tags, store=store) as run:
        run.log_dataset("daily", "d41d8cd98f00b204", {"market": "daily"}, "training")
        run.log_model(folder, name, "policy", 98_304)
        for step in range(3):
            run.log_metrics({"validation/ratio_iqm": score - 0.01 + 0.005 * step}, 98_304 * step)
        run.log_metrics({"heldout/daily/ratio_iqm": score, "heldout/daily/ratio_vs_mpc": score - 0.97}, 0)
        run.set_tags({NOTE: training_note(find_run(run.run_id, store=store))})
    return run


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("browser")
    (root / "policy").mkdir()
    (root / "policy" / "policy.npz").write_bytes(b"weights")
    store = Store.local(root / "mlruns")
    runs = {name: training(store, name, score, root / "policy") for name, score in SCORES.items()}
    played = runs["ppo daily s1"].run_id
    with open_run("bidpilot", "evaluate ppo@1234 daily", tags={PARENT: played}, kind="evaluate", store=store):
        pass
    return runs


@pytest.fixture(scope="module")
def address(trainings: dict[str, Run]) -> Iterator[str]:
    """What `bidpilot ui` prints."""
    store = next(iter(trainings.values())).store
    assert store.folder is not None
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-m", "bidpilot", "ui", "--port", str(free_port())]
    process = subprocess.Popen(command, cwd=store.folder.parent, env=environment, stdout=subprocess.PIPE, text=True)
    guard = threading.Timer(90.0, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"http://\S+#\S+", line) for line in process.stdout)))
        yield found[0]
    finally:
        guard.cancel()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1500, "height": 850})
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


def keep(page: Page, name: str) -> None:
    if SCREENSHOTS is not None:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_the_best_training_is_the_first_row_and_its_score_and_data_set_are_seen(page: Page, address: str) -> None:
    page.goto(address)
    names = page.locator("[role=row] a", has_text=re.compile("^ppo daily s"))
    expect(names.first).to_be_visible(timeout=30_000)
    keep(page, "runs")
    assert names.all_inner_texts()[:3] == ["ppo daily s1", "ppo daily s0", "ppo daily s2"]
    expect(page.get_by_text("evaluate ppo@1234 daily")).to_have_count(0)
    for shown in ("0.9791", "daily (d41d8cd9)"):
        expect(page.get_by_text(shown).first).to_be_in_viewport()


def test_the_page_of_a_run_says_what_came_out_and_which_command_follows(
    page: Page, address: str, trainings: dict[str, Run]
) -> None:
    run = trainings["ppo daily s1"]
    page.goto(f"{address.partition('#')[0]}#/experiments/{run.experiment_id}/runs/{run.run_id}?{TRAINING}")
    for shown in ("training of ppo, seed 1", "daily: R / R* 0.9791, +0.0091 beside mpc", "bidpilot evaluate --agents"):
        expect(page.get_by_text(shown).first).to_be_visible(timeout=30_000)
    page.get_by_text("training of ppo, seed 1").first.scroll_into_view_if_needed()
    keep(page, "run")


def test_two_runs_compared_show_what_differs(page: Page, address: str, trainings: dict[str, Run]) -> None:
    ids = ",".join(f'"{trainings[name].run_id}"' for name in ("ppo daily s0", "ppo daily s1"))
    experiment = next(iter(trainings.values())).experiment_id
    page.goto(f'{address.partition("#")[0]}#/compare-runs?runs=[{ids}]&experiments=["{experiment}"]&{TRAINING}')
    expect(page.get_by_text("ppo.epochs").first).to_be_visible(timeout=30_000)
    page.wait_for_timeout(500)
    keep(page, "compare")
    expect(page.get_by_text("heldout/daily/ratio_iqm").first).to_be_attached()
    for name in ("ppo daily s0", "ppo daily s1"):
        expect(page.get_by_text(name).first).to_be_visible()
