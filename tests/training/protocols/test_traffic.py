"""`bidpilot traffic`: three plays of each market, told as one row beside its bar."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.markets.presets import INVALID
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.protocols import traffic
from bidpilot.training.protocols.config import TrafficConfig
from bidpilot.training.protocols.traffic_markets import DRAWN, DRAWS, SHARE, SLOTS, SOURCES, Bar, Ground, grounds
from bidpilot.training.report.traffic import TrafficRow, traffic_figure, traffic_table
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.evaluation.conftest import CAMPAIGN, SMALL

BURSTS = SyntheticConfig(
    **SMALL.model_dump()
    | {"invalid_burst_probability": 1.0, "invalid_burst_share": 0.5, "invalid_burst_slots": INVALID.invalid_burst_slots}
)


pytestmark = pytest.mark.usefixtures("own_store")


def small(name: str, market: SyntheticConfig, in_a_row: int = 1) -> SuiteRecord:
    return SuiteRecord(name, "nothing", market, SMALL, (CAMPAIGN,), in_a_row=in_a_row)


@pytest.fixture
def _small_markets(monkeypatch: pytest.MonkeyPatch) -> None:
    markets = [
        Ground("bursts", (small("a", BURSTS), small("b", BURSTS)), Bar(0.5, "share")),
        Ground("honest", (small("c", SMALL),), Bar(-0.01, "change")),
        Ground("in a row", (small("d", BURSTS, in_a_row=3),), None),
    ]
    monkeypatch.setattr(traffic, "grounds", lambda seed: markets)


@pytest.mark.usefixtures("_small_markets")
def test_each_market_is_a_row_beside_its_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, figure = tmp_path / "out" / "rows.json", tmp_path / "pictures" / "traffic.png"
    rows = traffic.run(TrafficConfig.model_validate({"days": 12, "json": file, "figure": figure}))
    assert json.loads(file.read_text()) == rows
    assert figure.stat().st_size > 1000
    bursts, honest, in_a_row = rows
    assert (bursts["days"], bursts["groups"]) == (12, 12)  # six of each market, no unit shared
    assert bursts["gain"] == pytest.approx(bursts["detected"] - bursts["unfiltered"])
    assert bursts["share"] == pytest.approx(bursts["gain"] / (bursts["told"] - bursts["unfiltered"]))
    assert bursts["met"] is (bursts["share"] is not None and bursts["share"] >= 0.5)
    assert bursts["wasted_before"] > bursts["wasted_after"]
    assert honest["invalid_share"] == 0.0
    assert (honest["recall"], honest["share"], honest["wasted_before"]) == (None, None, 0.0)
    assert (in_a_row["met"], in_a_row["groups"], len(in_a_row["gain_by_day"])) == (None, 4, 3)
    assert np.mean(in_a_row["gain_by_day"]) == pytest.approx(in_a_row["gain"])
    text = capsys.readouterr().out
    assert "share 0.50" in text
    assert "honest sources refused whole a day" in text
    stored = latest_finished_run("traffic", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "traffic.json").read_text()) == rows
    assert stored.metrics["in_a_row/gain"] == in_a_row["gain"]


def test_a_market_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="no market of the traffic protocol is called 'calm'"):
        traffic.run(TrafficConfig(markets=("calm",)))


def test_drawn_bursts_are_within_their_ranges_and_of_their_own_seed() -> None:
    def drawn(seed: int) -> Ground:
        return next(ground for ground in grounds(seed) if ground.name == DRAWN)

    markets = [record.market for record in drawn(0).records]
    assert len(markets) == DRAWS
    assert all(SHARE[0] <= market.invalid_burst_share <= SHARE[1] for market in markets)
    assert all(SLOTS[0] <= market.invalid_burst_slots <= SLOTS[1] for market in markets)
    assert all(SOURCES[0] <= market.invalid_burst_sources <= SOURCES[1] for market in markets)
    assert len({market.digest for market in markets}) == DRAWS
    assert drawn(0) == drawn(0) != drawn(1)


def test_every_market_has_days_of_its_own() -> None:
    names = [record.name for ground in grounds(0) for record in ground.records if ground.name != "6 slots late"]
    assert len(set(names)) == len(names)


def row(market: str, closed: float, met: bool | None = True) -> TrafficRow:
    return TrafficRow(
        market=market,
        bar=0.75,
        bar_of="share",
        met=met,
        gain=0.04,
        gain_low=0.03,
        gain_high=0.05,
        share=0.8,
        unfiltered=0.9,
        detected=0.94,
        told=0.95,
        invalid_share=0.1,
        honest_refused=0.001,
        honest_closed=closed,
        caught=0.9,
        precision=0.9,
        recall=None,
        slots_to_detection=1.0,
        wasted_before=0.1,
        wasted_after=0.02,
        gain_by_day=[],
        days=8,
        groups=8,
    )


def test_the_bar_of_refused_honest_sources_is_that_of_the_worst_market() -> None:
    table = traffic_table([row("calm", 0.0), row("wild", 0.002)], "title")
    assert "missed: the most is 0.20% on wild" in str(table.caption)
    assert "met: the most is 0.00% on calm" in str(traffic_table([row("calm", 0.0)], "title").caption)


def test_the_figure_has_a_point_for_what_is_known_alone() -> None:
    figure = traffic_figure([row("calm", 0.0), {**row("honest", 0.0), "invalid_share": 0.0}])
    points = {axes.get_title(loc="left"): [len(line.get_xdata()) for line in axes.lines] for axes in figure.axes}  # type: ignore[arg-type]
    assert points == {
        "precision, share": [1],
        "recall, share": [],
        "slots to detection": [1],
        "money saved, % of budget": [1],
    }
    with pytest.raises(ValueError, match="no market with invalid traffic"):
        traffic_figure([{**row("honest", 0.0), "invalid_share": 0.0}])
