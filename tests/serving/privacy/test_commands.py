"""The commands run on a bid server's light install, beside the server, from its first start to a backup."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.backup.backup import backup
from bidpilot.serving.privacy.audit import verify
from bidpilot.serving.privacy.command import run
from bidpilot.serving.privacy.config import PrivacyConfig
from bidpilot.serving.privacy.keys import new_key
from tests.serving.served import Served, only_bid
from tests.serving.test_light import BLOCKER, ROOT


def test_all_is_done_beside_a_server_where_no_training_library_can_be_imported(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
    state, log, key = (str(tmp_path / name) for name in ("s", "d", "key"))

    def bidpilot(*commands: tuple[str, ...]) -> str:
        """What commands print, one after the other in a process of their own."""
        program = "import json, sys; from bidpilot.training.cli import main; [main(c) for c in json.loads(sys.argv[1])]"
        words = [sys.executable, "-c", program, json.dumps(commands)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    new_key(Path(key))
    with Served(bundle_folder, Path(state), "--decisions", log, "--key-file", key, "--keep-days", "30") as server:
        with server.client() as client, server.administrator() as admin:
            bid = only_bid(client.bid()[1])
            assert client.notice(bid["burl"], bid["price"], bid["price"]) == 204
            assert admin.send("POST", "/admin/kill")[0] == 200
        assert verify(Path(state) / "audit.jsonl").lines == 1  # before it was answered
        backup(Path(state), tmp_path / "backup")
        assert server.stop() == 0
    assert list(Path(log).glob("decisions-*.sealed.parquet"))
    told = bidpilot(
        ("privacy", "inventory"),
        ("privacy", "audit", state),
        ("privacy", "delete", state, "--decisions", log, "--key-file", key, "--campaign", "default"),
        ("privacy", "prune", state, "--decisions", log, "--keep-days", "30"),
        ("backup", state, str(tmp_path / "later")),
        ("restore", str(tmp_path / "backup"), str(tmp_path / "again")),
    )
    for part in (
        "| DECISIONS/",
        "1 actions, each after",
        "removed decisions",
        "nothing is older",
        "files as they were",
    ):
        assert part in told
    assert "the kill switch is on" in told
    assert not list(Path(log).glob("*.parquet"))
    what = [json.loads(line)["what"] for line in (tmp_path / "again" / "audit.jsonl").read_text().splitlines()]
    assert what == ["POST /admin/kill", "restore"]
    verify(tmp_path / "again" / "audit.jsonl")


def test_a_disk_that_refuses_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bidpilot.serving.privacy.command.delete", full)
    with pytest.raises(InvalidServing, match=r"No space left.*run it again"):
        run(PrivacyConfig(do="delete", place=tmp_path, campaign="a"))


def test_what_is_pruned_by_hand_is_in_the_audit_log(tmp_path: Path) -> None:
    report = tmp_path / "reports" / "a.txt"
    report.parent.mkdir()
    report.write_text("x")
    os.utime(report, (0, 0))
    for dry_run in (True, False):
        run(PrivacyConfig(do="prune", place=tmp_path, keep_days=5, dry_run=dry_run))
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["what"] == "prune"
    assert json.loads(line)["before"]["reports"] == 5
