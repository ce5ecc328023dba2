"""`bidpilot calibrate`: from an imported log to a market that training takes in place of the log."""

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import run_import
from bidpilot.training.cli import main
from bidpilot.training.setting.setting import training_setting


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Thirty episodes of 480 auctions on two exchanges, prices log-normal."""
    rng = np.random.default_rng(0)
    n = 30 * 480
    price, rate = rng.lognormal(4, 0.6, n).astype(int), rng.lognormal(-7, 0.5, n).clip(0, 1)
    rows = zip(price, rate, rng.integers(1, 3, n), strict=True)
    path = tmp_path / "bids.txt"
    path.write_text("\n".join(f"0 {p} {r:.6f} {e}" for p, r, e in rows) + "\n")
    run_import("ipinyou", [path], tmp_path / "log", options=ImportOptions(episode=480))
    return tmp_path / "log"


def test_a_market_is_fitted_stored_drawn_and_can_be_trained_on(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "market"
    main(["calibrate", str(log), "--out", str(out), "--days", "40"])
    numbers = json.loads((out / "fit.json").read_text())
    assert numbers["win_curve"] < 0.05
    printed = capsys.readouterr().out
    assert "win_curve" in printed
    assert "rates carry over: a conversion is worth" in printed
    assert (out / "fit.png").read_bytes().startswith(b"\x89PNG")
    setting = training_setting("daily", out, seed=1)
    assert setting.forecast.segments == ("exchange-1/head", "exchange-2/head")
    assert setting.campaign.preference == (0.0, 0.0, 1.0)
    again = training_setting("daily", out, seed=1)
    assert again.market.digest == setting.market.digest != training_setting("daily", out, seed=2).market.digest


def test_a_folder_with_other_things_is_left_alone(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("the only copy")
    with pytest.raises(SystemExit):
        main(["calibrate", str(log), "--out", str(tmp_path / "thesis")])
    assert "left alone" in capsys.readouterr().err
