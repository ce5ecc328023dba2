"""From configuration to bidder: campaigns from a file, predictors by name, what does not fit is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Literal

import pytest

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS, FunnelWeights
from bidpilot.bidding.errors import BundleMismatch, InvalidServing, LedgerUnavailable
from bidpilot.envs.markets.defaults import preset_campaign
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from tests.serving.doors import Given

PLAIN = {"id": "1"}


def ask(app: ExchangeApp, body: object) -> tuple[int, dict[str, object]]:
    async def read(most: int, seconds: float) -> bytes:
        return json.dumps(body).encode()

    response = asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read)))
    return response.status, json.loads(response.body or b"{}")


def test_campaigns_come_from_a_file_and_take_the_bundles_fields_where_they_give_none(
    bundle_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "campaigns.json"
    weights = {"like": 2.0, "comment": 0.0, "share": 1.0, "follow": 0.0, "completion": 0.0}
    entries = [{"name": "a", "campaign": {"budget": 7.0}, "weights": weights}, {"name": "b", "paused": True}]
    file.write_text(json.dumps(entries))
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "s", campaigns=file, budget=9.0)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        served = bidder.served
        assert (served["a"].campaign.budget, served["b"].campaign.budget) == (7.0, 9.0)
        assert served["a"].campaign.conversion_value == preset_campaign().conversion_value
        assert served["b"].paused
        assert served["a"].weights == FunnelWeights(**weights)
        assert served["b"].weights == DEFAULT_WEIGHTS


@pytest.mark.parametrize(
    "text", ["", '[{"name": "a b"}]', '[{"name": "a", "moon": 1}]', "[1]", '[{"name": "a", "weights": {"like": 1}}]']
)
def test_a_file_that_holds_no_campaigns_is_refused(bundle_folder: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "campaigns.json"
    file.write_text(text)
    with pytest.raises(InvalidServing, match="list of campaigns"):
        open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "s", campaigns=file))


@pytest.mark.parametrize("clock", ["wall", "manual"])
def test_a_shared_ledger_that_is_not_there_is_a_named_error(
    bundle_folder: Path, tmp_path: Path, clock: Literal["wall", "manual"]
) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, redis="redis://127.0.0.1:1/0", clock=clock)
    with pytest.raises(LedgerUnavailable, match="Redis"):
        open_bidder(config, ManualClock())


def test_a_shadow_with_other_segments_is_refused(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bidpilot.bidding.bundle import load_bundle

    other = load_bundle(bundle_folder)
    changed = type(other)(
        other.manifest.model_copy(update={"segments": ("feed/head",)}), other.forecast, other.golden, other.network
    )
    answers = iter([other, changed])
    monkeypatch.setattr("bidpilot.serving.build.load_bundle", lambda folder: next(answers))
    with pytest.raises(BundleMismatch, match="other segments"):
        open_bidder(ServeConfig(bundle=bundle_folder, shadow=bundle_folder, state=tmp_path))
