"""`bidpilot ipinyou`: every bidder at every share, sums, and differences against the published RLB."""

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.training.cli import main


def write(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    theta = rng.lognormal(-3, 1.0, 2000).clip(0, 0.5)
    price = rng.lognormal(3.5, 0.8, 2000).astype(int).clip(0, 300)
    click = rng.random(2000) < theta
    rows = zip(click, price, theta, strict=True)
    path.write_text("\n".join(f"{int(c)} {p} {t:.6f} 1" for c, p, t in rows) + "\n")
    return path


def test_one_table_holds_every_bidder_share_and_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = write(tmp_path / "train.txt", 0), write(tmp_path / "test.txt", 1)
    arguments = ["ipinyou", str(train), str(test), "--episode", "100", "--json", str(tmp_path / "rows.json")]
    main([*arguments, "--shares", "0.0625", "0.25"])
    printed = capsys.readouterr().out
    assert "1/16" in printed
    assert "Paired differences" in printed
    found = json.loads((tmp_path / "rows.json").read_text())
    agents = {"lin", "mcpc", "ss-mdp", "rlb", "replan"}
    assert {(row["agent"], row["share"]) for row in found["rows"]} == {
        (agent, share) for agent in agents for share in (0.0625, 0.25, None)
    }
    for agent in agents:
        own = [row for row in found["rows"] if row["agent"] == agent]
        total = next(row for row in own if row["share"] is None)
        assert total["clicks"] == sum(row["clicks"] for row in own) / 2
        assert total["cost"] == sum(row["cost"] for row in own if row["share"] is not None)
    sums = {row["agent"]: row["expected"] for row in found["rows"] if row["share"] is None}
    for pair in found["pairs"]:
        assert pair["diff_low"] <= pair["diff"] <= pair["diff_high"]
        if pair["kind"] == "expected clicks":
            assert pair["diff"] == pytest.approx(sums[pair["agent"]] - sums["rlb"])
