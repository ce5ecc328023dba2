"""What the benchmarks of the bid server begin with: three of them serve the bundle of an untrained policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bidpilot.bidding.bundle import load_bundle
from tests.scripts import script

bench: Any = script("benchmarks/serving.py")


def test_the_bundle_that_is_measured_can_be_served(tmp_path: Path) -> None:
    bundle = load_bundle(bench.make_bundle(tmp_path))
    assert bundle.manifest.origin.setting == "daily"
    assert (tmp_path / "bundle" / "policy.onnx").is_file()
