"""Values of impressions that bring none: one's own predictor in its time, else rates, else the forecast's means."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidPredictor
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import Cause, GuardrailConfig
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.prediction.asking import Asking, Breaker
from bidpilot.serving.prediction.load import load_predictor
from bidpilot.serving.prediction.values import Predicted, Values
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.server import applications
from tests.serving.doors import Given
from tests.serving.openrtb.desks import Desks, opened
from tests.serving.served import only_bid, request

PLAIN = {"id": "1"}
NOTHING = BidRequest("r", [])
GOOD = [0.6, 0.2, 0.004]
CASES = sorted((Path(__file__).parents[1] / "openrtb" / "cases").glob("*.json"))


@contextmanager
def served(bundle: Path, state: Path, **given: Any) -> Iterator[ExchangeApp]:
    config = ServeConfig(bundle=bundle, state=state, guardrails=GuardrailConfig(slot_share=1.0), budget=1e5, **given)
    with open_bidder(config, ManualClock(20_000 * DAY + 5 * 3600)) as bidder:
        yield applications(bidder, config, "http://x")[0]


@pytest.fixture(scope="module")
def one(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeApp]:
    with served(bundle_folder, tmp_path_factory.mktemp("state")) as app:
        yield app


@pytest.fixture
def app(one: ExchangeApp) -> Iterator[ExchangeApp]:
    """A server without a predictor of one's own, which has counted nothing yet."""
    one.reader.predictions.own = None
    one.reader.predictions.counts.clear()
    one.metrics.refused.clear()
    yield one
    one.reader.predictions.close()


def use(app: ExchangeApp, predictor: Callable[[RequestView], Any], seconds: float = 2.0) -> Asking:
    """Let a predictor be asked, and wait so long for it."""
    told = app.bidder.events.record
    app.reader.predictions.ask_first(predictor, seconds, lambda why: told(Cause.predictor_rests, why))
    assert app.reader.predictions.own is not None
    return app.reader.predictions.own


def ask(app: ExchangeApp, body: object) -> tuple[int, dict[str, Any]]:
    async def read(most: int, seconds: float) -> bytes:
        return json.dumps(body).encode()

    response = asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read)))
    return response.status, json.loads(response.body or b"{}")


def price(app: ExchangeApp, value: tuple[float, float, float], segment: str, source: int = 0) -> float:
    """What the rule bids there, per mille."""
    names = app.bidder.bundle.manifest.segments
    return 1000 * app.bidder.days["default"].pricer.bid(value, names.index(segment), source, False)


def counted(app: ExchangeApp) -> dict[str, int]:
    return dict(app.reader.predictions.counts)


# --- one's own ---------------------------------------------------------------------------------


def test_a_predictor_is_called_once_with_all_impressions_and_gives_each_its_value_and_segment(app: ExchangeApp) -> None:
    seen: list[RequestView] = []

    def predict(view: RequestView) -> Values:
        seen.append(view)
        tagged = [imp.tagid for imp in view.impressions]
        return Values(np.array([GOOD, [0.3, 0.1, 0.002], GOOD]), [tag and f"search/{tag}" for tag in tagged])

    use(app, predict)
    _, answer = ask(app, request({"id": "a", "tagid": "tail"}, {"id": "b", "tagid": "head"}, {"id": "c"}))
    bids = {bid["impid"]: bid["price"] for bid in answer["seatbid"][0]["bid"]}
    assert len(seen) == 1
    assert set(bids) == {"a", "b"}
    assert bids["a"] == pytest.approx(price(app, (0.6, 0.2, 0.004), "search/tail"), abs=1e-3)
    assert bids["b"] == pytest.approx(price(app, (0.3, 0.1, 0.002), "search/head"), abs=1e-3)
    assert app.metrics.refused == {"not_predicted": 1}
    assert counted(app) == {"own": 3}


def test_only_impressions_without_values_are_predicted(app: ExchangeApp) -> None:
    seen: list[tuple[str, ...]] = []

    def predict(view: RequestView) -> list[list[float]]:
        seen.append(tuple(imp.id for imp in view.impressions))
        return [GOOD for _ in view.impressions]

    use(app, predict)
    hinted = {"id": "h", "ext": {"bidpilot": {"exposure": 0.5, "segment": 0}}}
    ask(app, request(hinted, {"id": 7}, {"id": "8"}))  # ids as exchanges send them
    ask(app, request(hinted))
    ask(app, request({"id": "9"}, cur=["XXX"]))  # refused as a whole: nobody is asked
    assert seen == [("7", "8")]


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ([[0.6, 0.2]], "wrong"),
        ([], "wrong"),
        ([GOOD, GOOD], "wrong"),
        (None, "wrong"),
        ("values", "wrong"),
        (Values([GOOD], ["feed/head", "feed/head"]), "wrong"),
        ([[float("nan"), 0.2, 0.004]], "invalid"),
        ([[0.6, -0.2, 0.004]], "invalid"),
        ([[0.6, 0.2, float("inf")]], "invalid"),
        ([[1.01, 0.2, 0.004]], "invalid"),
        (Values([GOOD], ["nowhere/none"]), "invalid"),
        (Values([GOOD], [99]), "invalid"),
        (Values([GOOD], [True]), "invalid"),
    ],
)
def test_values_that_cannot_be_are_the_built_in_predictors_and_counted(
    app: ExchangeApp, returned: object, why: str
) -> None:
    usual = only_bid(ask(app, request(PLAIN))[1])["price"]
    app.reader.predictions.counts.clear()
    use(app, lambda view: returned)
    assert only_bid(ask(app, request(PLAIN))[1])["price"] == usual
    assert counted(app) == {why: 1, "built_in": 1}


def test_a_slow_predictor_stalls_nobody_and_rests_after_repeated_delays(app: ExchangeApp) -> None:
    going = threading.Event()

    def predict(view: RequestView) -> list[list[float]]:
        going.wait(5.0)
        return [GOOD]

    async def both(app: ExchangeApp) -> float:
        """A request that waits for the predictor, and one with values, which must not."""

        def given(body: object) -> Given:
            async def read(most: int, seconds: float) -> bytes:
                return json.dumps(body).encode()

            return Given("POST", "/openrtb2/bid", "", None, read)

        waiting = asyncio.create_task(app(given(request(PLAIN))))
        await asyncio.sleep(0)
        begun = time.perf_counter()
        assert (await app(given(request()))).status == 200
        quick = time.perf_counter() - begun
        assert not waiting.done()
        assert (await waiting).status == 200
        return quick

    use(app, predict, 0.3)
    assert asyncio.run(both(app)) < 0.25
    assert counted(app) == {"late": 1, "built_in": 1}
    assert "seatbid" in ask(app, request(PLAIN))[1]  # it hangs: nobody waits
    assert counted(app) == {"late": 1, "resting": 1, "built_in": 2}
    going.set()


def test_a_predictor_that_fails_rests_and_is_tried_again(app: ExchangeApp) -> None:
    calls = 0

    def predict(view: RequestView) -> list[list[float]]:
        nonlocal calls
        calls += 1
        if calls <= 6:
            raise KeyError(f"secret {view.impressions}")
        return [GOOD]

    use(app, predict)
    own = app.reader.predictions.own
    assert own is not None
    now = [0.0]
    own.breaker._now = lambda: now[0]
    for _ in range(8):
        assert "seatbid" in ask(app, request(PLAIN))[1]
    assert counted(app) == {"failed": 5, "resting": 3, "built_in": 8}
    assert not app.bidder.breaker.open  # bidding goes on
    assert app.bidder.event_counts()[Cause.predictor_rests] == 1
    now[0] = 1.1
    ask(app, request(PLAIN))  # the trial fails: twice the rest
    now[0] = 3.0
    ask(app, request(PLAIN))
    assert counted(app) == {"failed": 6, "resting": 4, "built_in": 10}
    now[0] = 3.2
    ask(app, request(PLAIN))
    ask(app, request(PLAIN))
    assert counted(app)["own"] == 2


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=60))
def test_the_breaker_lets_a_rest_be_over_and_asks_once_before_it_asks_all(turns: list[tuple[bool, float]]) -> None:
    now, rests = [0.0], list[str]()
    breaker = Breaker(lambda: now[0], rests.append)
    faults = 0
    for well, pause in turns:
        now[0] += pause
        if breaker.resting:
            continue
        if well:
            breaker.well()
        else:
            faults += 1
            breaker.failed("late")
            if breaker._until is not None:
                assert breaker.resting
    assert len(rests) <= faults
    now[0] += 1e3
    assert not breaker.resting
    breaker.well()
    assert breaker._until is None
    assert not breaker.resting


def test_whose_time_is_short_keeps_half_of_it_for_the_bid(app: ExchangeApp) -> None:
    """The request is bid on by the built-in predictor, and the predictor is not blamed."""

    def predict(view: RequestView) -> list[list[float]]:
        time.sleep(0.3)
        return [GOOD]

    use(app, predict, 10.0)
    assert "seatbid" in ask(app, request(PLAIN, tmax=200))[1]
    assert counted(app) == {"late": 1, "built_in": 1}
    assert app.reader.predictions.own is not None
    assert app.reader.predictions.own.breaker._score == 0


def test_in_process_a_request_is_predicted_as_over_http(app: ExchangeApp) -> None:
    def predict(view: RequestView) -> list[list[float]]:
        return [[0.5, 0.1, 0.01] if view.place.publisher is not None else GOOD for _ in view.impressions]

    use(app, predict)
    body = request(PLAIN, site={"publisher": {"id": "p"}})
    made = app.respond(read_request(json.dumps(body).encode(), app.metrics.forms))
    assert made is not None
    assert made.seatbid[0].bid[0].price == only_bid(ask(app, body)[1])["price"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"device": {"ip": "203.0.113.7"}}, "givt_address"),
        ({"site": {"domain": "bad.example"}}, "givt_site"),
        ({"regs": {"coppa": 1}}, "minors"),
        ({"user": {"yob": 2015}}, "minors"),
        ({"badv": ["shop.example"]}, "blocked_advertiser"),
        ({"badv": ["other.example"]}, None),
    ],
)
def test_nobody_is_asked_of_what_will_not_be_bid_on(
    bundle_folder: Path, tmp_path: Path, fields: dict[str, Any], why: str | None
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "addresses.txt").write_text("203.0.113.0/24\n")
    (tmp_path / "lists" / "sites.txt").write_text("bad.example\n")
    seen: list[RequestView] = []

    def predict(view: RequestView) -> list[list[float]]:
        seen.append(view)
        return [GOOD for _ in view.impressions]

    desks = Desks(bundle_folder, tmp_path)
    app = desks.app({"blocklists": tmp_path / "lists"})
    try:
        use(app, predict)
        body = request(PLAIN, **fields)
        assert desks.ask(app, {"creatives": ["video"]}, body).reasons == ({} if why is None else {why: 1})
        app.respond(read_request(json.dumps(body).encode(), app.metrics.forms))
        assert len(seen) == (0 if why else 2)
    finally:
        app.reader.predictions.close()
        desks.close()


def test_a_fault_of_the_screen_is_answered_and_nobody_is_asked(
    app: ExchangeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(app, lambda view: pytest.fail("it was asked"))
    monkeypatch.setattr(app.reader.house, "visit", lambda *given: 1 / 0)
    assert ask(app, request(PLAIN))[1]["nbr"] == 1
    assert app.metrics.refused == {"technical_error": 1}


# --- by name -----------------------------------------------------------------------------------


def test_a_predictor_is_found_by_its_name() -> None:
    assert vars(json)["dumps"] is load_predictor("json:dumps")


@pytest.mark.parametrize("name", ["nowhere:x", "bidpilot:nothing", "bidpilot:__version__", "", ":", "json"])
def test_a_predictor_that_is_none_is_named(name: str) -> None:
    with pytest.raises(InvalidPredictor, match="predictor"):
        load_predictor(name)


def test_the_working_folder_is_looked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_values.py").write_text("def predict(view):\n    return []\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry])
    assert load_predictor("own_values:predict")(None) == []  # type: ignore[arg-type]


def doubtful(view: RequestView) -> list[list[float]]:
    """A predictor that a configuration names."""
    return [GOOD for _ in view.impressions]


def test_a_configuration_names_the_predictor_and_its_time(bundle_folder: Path, tmp_path: Path) -> None:
    with served(bundle_folder, tmp_path, predictor=f"{__name__}:doubtful", predictor_ms=2000) as app:
        assert "seatbid" in ask(app, request({"id": "1"}, {"id": "2"}))[1]
        assert counted(app) == {"own": 2}
        assert app.reader.predictions.own is not None
        assert app.reader.predictions.own.limit == 2.0
        app.reader.predictions.close()


def test_of_what_is_compiled_nothing_is_asked_before_it_is_called() -> None:
    assert callable(load_predictor("builtins:dict"))


def of_before(request: object, imp: object) -> None:
    """The form of before."""


async def later(view: object) -> None:
    """Whose values would come later."""


def of_nothing() -> None:
    """Takes nothing."""


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("of_before", "form of before.*def predict"), ("later", "plain function"), ("of_nothing", "one argument")],
)
def test_a_predictor_of_another_form_is_told_how_to_change(name: str, remedy: str) -> None:
    with pytest.raises(InvalidPredictor, match=remedy):
        load_predictor(f"{__name__}:{name}")


# --- out of the box ----------------------------------------------------------------------------


def without_values(case: dict[str, Any]) -> dict[str, Any]:
    """A request as an exchange that has never heard of us sends it."""
    body: dict[str, Any] = json.loads(json.dumps(case["request"]))
    for imp in body["imp"]:
        imp.pop("ext", None)
    return body


def test_requests_of_strangers_are_bid_on_out_of_the_box(bundle_folder: Path, tmp_path: Path) -> None:
    """The specification's cases that are bid on with values are without them, but where the floor is above the mean."""
    wanted, missed = 0, Counter[str]()
    for desks in opened(bundle_folder, tmp_path):
        for path in CASES:
            case = json.loads(path.read_text())
            if "bid" not in case["expect"]:
                continue
            answer = desks.ask(desks.app(case.get("config", {})), case["campaign"], without_values(case))
            wanted += 1
            if not answer.bids:
                missed += answer.reasons
    assert wanted > 50
    assert set(missed) <= {"below_floor", "private_auction"}
    assert missed.total() < 0.1 * wanted


def test_what_stands_in_is_the_forecasts_mean_of_the_segment(bundle_folder: Path, tmp_path: Path) -> None:
    with served(bundle_folder, tmp_path, segment="external/tail") as app:
        bundle = app.bidder.bundle
        land, segment = bundle.forecast.landscape, bundle.manifest.segments.index("external/tail")
        here = land.segment == segment
        mean = np.average(land.value[here], axis=0, weights=land.weight[here])
        mean[2] /= bundle.forecast.conversion_value or bundle.manifest.campaign.conversion_value
        bid = only_bid(ask(app, request(PLAIN))[1])["price"]
        assert bid == pytest.approx(price(app, tuple(mean), "external/tail"), abs=1e-3)


def test_a_segment_that_the_bundle_has_not_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidPredictor, match="feed/head"), served(bundle_folder, tmp_path, segment="nowhere"):
        pass


# --- faults ------------------------------------------------------------------------------------


def asking(predictor: Callable[[RequestView], Any], seconds: float) -> tuple[Asking, Counter[str]]:
    counts = Counter[str]()
    return Asking(predictor, lambda view, found: found, seconds, lambda why: None, counts), counts  # type: ignore[arg-type, return-value]


def test_one_stall_is_one_fault_however_many_wait_for_it() -> None:
    going = threading.Event()
    own, counts = asking(lambda view: going.wait(5.0) and {}, 0.1)

    async def many() -> None:
        view = RequestView(b"{}", NOTHING, (), 0.0)
        await asyncio.gather(*(own.ask(view, 1, 10.0) for _ in range(8)))

    asyncio.run(many())
    going.set()
    assert counts == {"late": 8}
    assert own.breaker._score == 1 + 7 * 0.25
    assert not own.breaker.rests
    own.close()


def test_an_answer_that_comes_as_the_time_is_over_is_taken() -> None:
    """The loop was busy: what it did not get to see in time is there all the same."""
    own, counts = asking(lambda view: {"1": None}, 0.02)

    async def busy() -> object:
        waiting = asyncio.create_task(own.ask(RequestView(b"{}", NOTHING, (), 0.0), 1, 10.0))
        await asyncio.sleep(0)
        time.sleep(0.1)
        return await waiting

    assert asyncio.run(busy()) == {"1": None}
    late = Future[Predicted]()
    late.set_result({"2": None})
    assert own._failed(late, 1, TimeoutError(), 0.02) == {"2": None}
    assert (counts, own.breaker._score) == ({}, 0.0)
    own.close()


def test_a_caller_without_a_loop_is_answered_in_time_too() -> None:
    going = threading.Event()
    own, counts = asking(lambda view: going.wait(5.0) and {}, 0.05)
    view = RequestView(b"{}", NOTHING, (), 0.0)
    assert own.wait(view, 2, 10.0) == {}
    assert own.wait(view, 1, 10.0) == {}
    assert counts == {"late": 2, "resting": 1}
    going.set()
    own.close()


def test_calls_that_had_begun_before_a_rest_neither_lengthen_nor_end_it() -> None:
    rests = list[str]()
    breaker = Breaker(lambda: 0.0, rests.append)
    for _ in range(9):
        breaker.failed("late")
    breaker.well()
    assert breaker.rests
    assert rests == ["late; the built-in predictor stands in for 1 s"]


def test_the_manuals_example_predicts(app: ExchangeApp) -> None:
    """It is called for what it is shown, and its bids are made."""
    text = (Path(__file__).parents[3] / "docs" / "predictors.md").read_text()
    scope: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], scope)
    use(app, scope["predict"])
    body = request({"id": "1", "video": {}}, site={"content": {"len": 900}}, user={"yob": 1990})
    assert only_bid(ask(app, body)[1])["price"] == pytest.approx(price(app, (0.7, 0.2, 0.004), "feed/head"), abs=1e-3)
    assert counted(app) == {"own": 1}
