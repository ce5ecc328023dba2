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
from bidpilot.serving.messages import BidRequest, Imp
from bidpilot.serving.predictor import Prediction, load_predictor
from bidpilot.serving.server import applications
from tests.serving.doors import Given
from tests.serving.served import only_bid, request

PLAIN = {"id": "1"}


def steady(request: BidRequest, imp: Imp) -> Prediction | None:
    """A predictor that likes what has a tag."""
    return None if imp.tagid is None else Prediction((0.6, 0.2, 0.004), "search/tail")


def broken(request: BidRequest, imp: Imp) -> Prediction | None:
    """A predictor that fails."""
    raise RuntimeError("no model")


def ask(app: ExchangeApp, body: object) -> tuple[int, dict[str, object]]:
    async def read(most: int, seconds: float) -> bytes:
        return json.dumps(body).encode()

    response = asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read)))
    return response.status, json.loads(response.body or b"{}")


def test_a_predictor_gives_values_where_the_request_has_none(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        app, _ = applications(bidder, config, "http://x")
        app.reader._predictor = steady
        assert ask(app, request(PLAIN))[0] == 204
        status, response = ask(app, request(PLAIN | {"tagid": "reel"}))
        assert status == 200
        segment = bidder.bundle.manifest.segments.index("search/tail")
        expected = bidder.days["default"].pricer.bid((0.6, 0.2, 0.004), segment, 0, False)
        assert only_bid(response)["price"] == pytest.approx(1000 * expected, abs=1e-3)


def test_a_predictor_that_fails_is_answered_for_and_opens_the_breaker(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        app, _ = applications(bidder, config, "http://x")
        app.reader._predictor = broken
        for _ in range(5):
            assert ask(app, request(PLAIN)) == (200, {"id": "r", "nbr": 1})
        assert bidder.breaker.open
        assert ask(app, request())[0] == 204


def test_a_predictor_is_found_by_its_name() -> None:
    assert vars(json)["dumps"] is load_predictor("json:dumps")


@pytest.mark.parametrize("name", ["nowhere:x", "bidpilot:nothing", "bidpilot:__version__", "", ":", "json"])
def test_a_predictor_that_is_none_is_named(name: str) -> None:
    with pytest.raises(InvalidServing, match="predictor"):
        load_predictor(name)


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
