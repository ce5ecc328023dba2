"""A bundle's parts, and what is refused of it, in values written out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.bundle import (
    Golden,
    action_meaning,
    checksum,
    feature_entries,
    load_bundle,
    plan_entry,
    read_manifest,
    write_golden,
)
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle
from bidpilot.bidding.landscape.forecast import Forecast
from tests.serving.conftest import write_controller_bundle


def test_an_action_moves_the_scale_two_tilts_and_each_segment() -> None:
    assert action_meaning(("feed/head", "search/tail")) == (
        "scale",
        "interaction tilt",
        "conversion tilt",
        "multiplier of feed/head",
        "multiplier of search/tail",
    )


def test_a_feature_is_told_by_name_in_the_order_asked_for_and_with_its_range() -> None:
    features = feature_entries(["replan_segment_1", "budget_left", "tightness"], 2)
    assert [(f.name, f.low, f.high) for f in features] == [
        ("replan_segment_1", -1, 1),
        ("budget_left", 0, 1),
        ("tightness", -2, 2),
    ]


def test_a_checksum_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert checksum(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_plan_is_kept_in_numbers(even: Forecast) -> None:
    """Bids of p buy 400 p conversions for 200 p ** 2: 50 buy 200 at p = 0.5.

    One more unit of money buys 1 / p = 2 conversions, a hundredth of the ideal point.
    """
    entry = plan_entry(even, Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0)))
    assert entry.ideal == pytest.approx((200.0, 200.0, 200.0), rel=0.02)
    assert entry.alpha == pytest.approx((0.0, 0.0, 0.5), rel=0.02)
    assert entry.shadow_price == pytest.approx(0.01, rel=0.02)
    assert entry.utility == pytest.approx(1.0, rel=1e-3)
    assert entry.spend == pytest.approx((0.0, 12.5, 25.0, 37.5, 50.0), rel=1e-6)


def test_golden_numbers_are_written_in_full(tmp_path: Path) -> None:
    golden = Golden(np.array([[0.1, 1 / 3]], np.float32), np.array([[0.1 + 0.2, -1e-17]]))
    write_golden(tmp_path, golden)
    data = json.loads((tmp_path / "golden.json").read_text())
    assert data["actions"] == [[0.30000000000000004, -1e-17]]
    assert [np.float32(x) for x in data["observations"][0]] == golden.observations[0].tolist()


@pytest.fixture
def folder(even: Forecast, tmp_path: Path) -> Path:
    """The bundle of a controller on `even`."""
    campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    return write_controller_bundle(tmp_path / "bundle", campaign=campaign, forecast=even)


def test_a_bundle_reads_back_as_it_was_written(folder: Path, even: Forecast) -> None:
    bundle = load_bundle(folder)
    assert bundle.manifest.segments == ("feed/head", "feed/tail")
    assert bundle.manifest.slots == 4
    assert bundle.manifest.agent.kind == "controller"
    assert bundle.network == {}
    assert bundle.golden.actions.shape == (len(bundle.golden.observations), 5)
    np.testing.assert_array_equal(bundle.forecast.landscape.price, even.landscape.price)
    assert set(bundle.manifest.checksums) == {"forecast.npz", "golden.json"}


def feature(name: str, high: float, low: float = 0.0) -> dict[str, Any]:
    return {"name": name, "low": low, "high": high}


def rewrite(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"schema_version": 99}, BundleMismatch, "schema version 99"),
        ({"schema_version": 1}, BundleMismatch, "schema version 1; this version reads 2. Export the run again"),
        ({"features": []}, InvalidBundle, "features"),
        ({"features": 2 * [feature("budget_left", 1)]}, InvalidBundle, "features: .* named twice"),
        (
            {"features": [feature("moon_phase", 1)]},
            BundleMismatch,
            r"does not observe: moon_phase\. Export the run again",
        ),
        (
            {"features": [feature("moon_phase", 1), feature("budget_left", 7), feature("pace_gap", 1, -1)]},
            BundleMismatch,
            r"does not observe: moon_phase, budget_left in \[0, 7\] and not \[0, 1\]\.",
        ),
        ({"schema_version": 99, "unknown": 1}, BundleMismatch, "schema version 99"),  # before its keys are looked at
        ({"unknown": 1}, InvalidBundle, "unknown"),
        ({"slots": 5}, InvalidBundle, "segments or slots"),
        ({"segments": ["feed/head", "feed/other"]}, InvalidBundle, "segments or slots"),
        ({"slots": 0}, InvalidBundle, "slots"),
        ({"checksums": {}}, InvalidBundle, "no checksum of forecast.npz, golden.json"),
        ({"checksums": {"../x": "", "forecast.npz": "", "golden.json": ""}}, InvalidBundle, "lacks the file"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    folder: Path, changes: dict[str, Any], error: type[Exception], why: str
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(error, match=why):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("golden", "why"),
    [
        ("{}", "no golden outputs"),
        ("[]", "no golden outputs"),
        ('{"observations": [], "actions": []}', "needed"),
        ('{"observations": [[1, 2]], "actions": [[0, 0, 0, 0, 0]]}', "needed"),
    ],
)
def test_golden_outputs_of_another_shape_are_refused_though_their_checksum_holds(
    folder: Path, golden: str, why: str
) -> None:
    (folder / "golden.json").write_text(golden)
    sums = read_manifest(folder).checksums | {"golden.json": hashlib.sha256(golden.encode()).hexdigest()}
    rewrite(folder, checksums=sums)
    with pytest.raises(InvalidBundle, match=why):
        load_bundle(folder)


def test_a_file_cut_short_is_refused(folder: Path) -> None:
    path = folder / "forecast.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidBundle, match="altered or cut short"):
        load_bundle(folder)


def test_a_folder_that_is_none_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="bidpilot export"):
        read_manifest(tmp_path / "nowhere")
