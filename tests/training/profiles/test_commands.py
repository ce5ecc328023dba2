"""`bidpilot profiles list`, `show` and `propose`, on recorded and on served days."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.cli import main
from bidpilot.training.profiles.config import ProposeConfig
from bidpilot.training.profiles.run import Proposed, run_propose
from bidpilot.training.setting.profiles import read_profiles
from bidpilot.training.tracking import download, latest_finished_run
from tests.training.served_log import write_served
from tests.training.small_logs import small_log

pytestmark = pytest.mark.usefixtures("one_store")


def offered() -> AuctionLog:
    """Thirty days of interactions and conversions that have nothing to do with each other."""
    log = small_log("quarter", "interaction", "conversion", units=30, auctions=4)
    interaction = np.random.default_rng(2).permutation(log.interaction)
    return replace(log, interaction=interaction, true_interaction=interaction)


def ordered(log: AuctionLog) -> np.ndarray:
    """What the order of each auction is worth, 0 without one: conversions order 9 each, interactions nothing."""
    rng = np.random.default_rng(3)
    return np.where(rng.random(log.n) < log.conversion, 9.0 * rng.lognormal(-0.02, 0.2, log.n), 0.0)


def propose(log: Path, **options: object) -> Proposed:
    return run_propose(ProposeConfig.model_validate({"log": log, "platform": "shorts", **options}))


def test_a_log_whose_orders_go_with_conversions_moves_weight_to_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, out, figure = offered(), Path("platforms.yaml"), tmp_path / "weights.png"
    orders = ordered(log)
    converted = (orders > 0).astype(np.float32)
    save_log(replace(log, converted=converted, order_value=orders.astype(np.float32)), Path("quarter"))
    options = ["--present", "interaction-depth-first", "--out", str(out), "--json", "p.json", "--figure", str(figure)]
    main(["profiles", "propose", "quarter", "--platform", "shorts", *options])
    record = json.loads(Path("p.json").read_text())
    present, proposed = named_profile("interaction-depth-first"), read_profiles(out)["shorts"]
    assert proposed.preference[2] > 0.4 > present.preference[2]
    assert proposed.weights == present.weights  # no events are told
    assert record["proposed"]["preference"] == pytest.approx(proposed.preference)
    changes = {effect["what"]: effect for effect in record["effects"]}
    assert changes["conversion"]["change"] > 0 > changes["interaction"]["change"]
    assert changes["order value"]["change"] > 0
    spend = [changes[f"spend in {name}"]["proposed"] for name in ("feed", "search")]
    assert sum(spend) <= 5.0 + 1e-6
    assert changes["bid per conversion"]["change"] > 0
    assert figure.stat().st_size > 1000
    stored = latest_finished_run("profile", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "profile.json").read_text()) == record
    shown = capsys.readouterr().out
    assert "order values as they were told" in shown
    assert f"profile written to {out} as shorts" in shown
    assert shown.splitlines()[-1] == f"next: bidpilot solve CAMPAIGN.yaml --profile {out}#shorts"
    again = propose(Path("quarter"), out=out)  # the present one is now what was proposed
    assert again.proposal.present == proposed
    assert sum(abs(c.proposed - c.present) for c in again.proposal.preference) < 0.05


def test_served_days_speak_by_what_was_won(tmp_path: Path) -> None:
    log = offered()
    won = np.arange(log.n) % 2 == 0
    write_served(tmp_path / "decisions", log, won, ordered(log))
    found = propose(tmp_path / "decisions", campaigns=["spring"], budget=3.0)
    assert (found.proposal.days, found.proposal.first, found.proposal.last) == (30, "2026-03-01", "2026-03-30")
    assert found.proposal.proposed.preference[2] > 0.5
    assert found.proposal.notes  # of likes alone no weight can be told
    assert all(found.proposal.worth[2].value > one.value for one in found.proposal.worth[:2])  # type: ignore[operator]


def test_profiles_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("mine.yaml")
    file.write_text(
        "shorts:\n  weights: {like: 0, comment: 1, share: 0, follow: 0, completion: 0}\n  preference: [0, 1, 0]"
    )
    main(["profiles", "list", "--file", str(file), "--json", "list.json"])
    assert set(json.loads(Path("list.json").read_text())) == {
        "completion-first", "interaction-depth-first", "conversion-first", "mine.yaml#shorts",
    }  # fmt: skip
    main(["profiles", "show", "mine.yaml#shorts", "--json", "shown.json"])
    assert json.loads(Path("shown.json").read_text())["preference"] == [0.0, 1.0, 0.0]
    assert "mine.yaml#shorts" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["profiles", "show", "shorts"])
    assert "no KPI profile is called 'shorts'" in capsys.readouterr().err
