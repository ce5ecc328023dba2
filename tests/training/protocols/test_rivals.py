"""`bidpilot rivals`: what it learns from, whom it asks to learn, and how the weights play."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.baselines.learned import fit
from bidpilot.agents.baselines.learned.bidder import LearnedBidder
from bidpilot.agents.baselines.learned.state import FEATURES, Usual
from bidpilot.bidding.errors import PolicyMismatch, RivalNotTrained
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.protocols.auctionnet import run as play
from bidpilot.training.protocols.config import AuctionNetConfig, RivalsConfig
from bidpilot.training.protocols.names import OFFLINE
from bidpilot.training.protocols.rivals import SETTINGS, run
from bidpilot.training.protocols.rivals_data import BEHAVIOURS, OfflineDays, offline_days
from bidpilot.training.setting.setting import recorded_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.setting.terms import LogTerms
from tests.training.small_logs import SLOTS, small_log

TARGETS = {"1": 1.1, "2": 1.6}


def two_campaigns(first: int = 0, units: int = 3) -> AuctionLog:
    log = small_log(f"from {first}", "conversion", units=units, campaigns=("1", "2"), first=first)
    return replace(log, days=tuple(replace(day, max_cpa=TARGETS[day.campaign], budget=20.0) for day in log.days))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("logs")
    save_log(two_campaigns(), folder / "train")
    save_log(two_campaigns(6), folder / "test")
    return folder / "train", folder / "test"


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)


def python_of(folder: Path, body: str) -> Path:
    """A stand-in for the Python that has d3rlpy: called alike, it runs `body` with the arguments of `fit.py`."""
    script, python = folder / "learner.py", folder / "python"
    script.write_text("import json, sys\nimport numpy as np\n_, algorithm, data, out, settings = sys.argv[1:]\n" + body)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    python.chmod(0o755)
    return python


CONSTANT = f"""
days, seed = np.load(data), json.loads(settings)["seed"]
assert days["states"].shape[2] == {len(FEATURES)} and np.abs(days["actions"]).max() <= 1
np.savez(out, weight_0=np.zeros(({len(FEATURES)}, 1)), bias_0=np.array([0.2 * seed]))
"""


def offline(log: AuctionLog, *held_out: str) -> OfflineDays:
    terms = LogTerms.model_validate({"preference": (0.0, 0.0, 1.0)})
    setting = recorded_setting(log, terms, HoldOut(campaigns=held_out))
    assert setting.split is not None
    return offline_days(setting, Usual.of(log.select_days(setting.split.training)), 2, 0)


def test_days_are_whole_and_their_rewards_are_the_score_that_they_reach() -> None:
    days = offline(two_campaigns())
    shape = (2 * 2 * len(BEHAVIOURS), SLOTS)
    assert days.states.shape == (*shape, len(FEATURES))
    assert days.bids.shape == days.rewards.shape == shape
    assert all(np.isfinite(column).all() for column in (days.states, days.bids, days.rewards))
    at = {name: days.states[:, :, i] for i, name in enumerate(FEATURES)}
    np.testing.assert_allclose(at["bid_day"][:, 1], days.bids[:, 0], atol=1e-12)  # what was bid is what is seen of it
    counts = at["target_counts"][:, 0] > 0
    assert counts.sum() == len(counts) / 2
    assert (days.rewards[~counts] >= 0).all()  # without a target, conversions are never taken back
    # Under budgets alone the score is the conversions, in one unit all day.
    worth = days.rewards[~counts][:, :-1].sum(axis=1) / at["conversions_day"][~counts][:, -1]
    first = days.rewards[~counts][:, :20].sum(axis=1) / at["conversions_day"][~counts][:, 20]
    np.testing.assert_allclose(worth, first, rtol=1e-4)


def test_nothing_is_learnt_from_a_campaign_that_is_held_out() -> None:
    log = two_campaigns()
    held = np.repeat([day.campaign == "2" for day in log.days], log.counts.sum(axis=1))
    other = replace(log, market_price=np.where(held, 3 * log.market_price, log.market_price).astype(np.float32))
    one, two, all_of = offline(log, "2"), offline(other, "2"), offline(other)
    for name in ("states", "bids", "rewards"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(all_of.states, one.states)


def test_a_transition_leads_to_the_next_slot_and_the_last_one_ends_the_day(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = {"states": rng.normal(size=(3, 4, 2)), "actions": rng.uniform(-1, 1, (3, 4)), "rewards": rng.random((3, 4))}
    np.savez(tmp_path / "days.npz", **days)  # type: ignore[arg-type]
    found = fit._days(tmp_path / "days.npz")
    assert {len(column) for column in found.values()} == {12}
    np.testing.assert_array_equal(found["terminals"].ravel(), [0, 0, 0, 1] * 3)
    going = found["terminals"].ravel() == 0
    np.testing.assert_array_equal(found["next_observations"][going], found["observations"][1:][going[:-1]])
    np.testing.assert_array_equal(found["actions"].ravel(), days["actions"].astype(np.float32).ravel())


def test_weights_play_the_days_of_others_and_seeds_are_pooled(logs: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = logs
    asked = {"train": train, "python": python_of(tmp_path, CONSTANT), "days": 2}
    run(RivalsConfig.model_validate(asked | {"seeds": (0, 1)}))
    assert len(list(Path("rivals").glob("iql-*.npz"))) == 2
    rows: dict[tuple[str, str], Any] = {}
    for agents in (("iql", "fixed_cpa"), ("cql",)):
        config = {"train": train, "test": test, "agents": agents, "json": "rows.json"}
        play(AuctionNetConfig.model_validate(config))
        rows |= {(r["suite"], r["agent"]): r for r in json.loads(Path("rows.json").read_text()) if "iqm" in r}
    for suite in ("from 6", "from 6 without targets"):
        row = rows[suite, "iql"]
        assert row["seeds"] == 2
        assert 0 < row["mean"] < 1
        assert row["ratios"] == rows[suite, "cql"]["ratios"]  # the stand-in's weights are the same
    one, two = (LearnedBidder.load(path) for path in sorted(Path("rivals").glob("iql-*.npz")))
    states = np.zeros((1, len(FEATURES)))
    assert one.alpha(states, np.ones(1)) < two.alpha(states, np.ones(1))


def test_a_campaign_that_is_left_out_is_played_by_weights_that_never_saw_it(
    logs: tuple[Path, Path], tmp_path: Path
) -> None:
    train, _ = logs
    python = python_of(tmp_path, CONSTANT)
    config = AuctionNetConfig.model_validate({"train": train, "leave_one_out": True, "agents": ("iql",)})
    asked = {"train": train, "python": python, "days": 2, "algorithms": ("iql",)}
    run(RivalsConfig.model_validate(asked))
    with pytest.raises(RivalNotTrained, match=r"make rivals.*bidpilot rivals .*train --hold-out 1"):
        play(config)
    for campaign in TARGETS:
        run(RivalsConfig.model_validate(asked | {"hold_out": (campaign,)}))
    play(config)


def test_what_cannot_be_trained_or_read_says_what_to_do(logs: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = logs
    with pytest.raises(RivalNotTrained, match=r"is no Python that has d3rlpy.*make rivals"):
        run(RivalsConfig.model_validate({"train": train}))
    broken = python_of(tmp_path, "raise SystemExit('no such module: d3rlpy')")
    with pytest.raises(RivalNotTrained, match="no such module: d3rlpy"):
        run(RivalsConfig.model_validate({"train": train, "python": broken, "days": 2}))
    config = AuctionNetConfig.model_validate({"train": train, "test": test, "agents": ("cql",)})
    with pytest.raises(RivalNotTrained, match=r"no weights of cql .* bidpilot rivals \S+train$"):
        play(config)
    run(RivalsConfig.model_validate({"train": train, "python": python_of(tmp_path, CONSTANT), "days": 2}))
    next(Path("rivals").glob("cql-*.npz")).write_text("nothing")
    with pytest.raises(PolicyMismatch, match="holds no learned rival"):
        play(config)


def test_every_rival_that_is_typed_can_be_trained() -> None:
    assert set(SETTINGS) == set(fit.ALGORITHMS) == set(OFFLINE)
