"""Money of other currencies and of several exposures: what is held, billed and counted is ours, and for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Kind, Signer, Ticket
from bidpilot.serving.restrictions.auction_types import AuctionTypes
from bidpilot.serving.restrictions.rates import Rates
from tests.serving.openrtb.desks import Answer, Desks, opened

HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": "feed/head"}}
RATES = {"rates": {"base": "USD", "rates": {"EUR": 0.8}}}


@pytest.fixture(scope="module")
def desks(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    yield from opened(bundle_folder, tmp_path_factory.mktemp("desks"))


def asked(desks: Desks, config: dict[str, Any], imp: dict[str, Any], **fields: Any) -> Answer:
    request = {"id": "r", "imp": [{"id": "1", "ext": HINTS} | imp], **fields}
    return desks.ask(desks.app(config), {"creatives": ["video"]}, request, lost=False)


def billed(desks: Desks, config: dict[str, Any], bid: dict[str, Any], price: float) -> tuple[float, Any]:
    """What a bill at a price per mille, in the answer's currency, costs; and the totals of the slot."""
    day = desks.app(config).bidder.days["default"]
    assert day.wallet.state is not None
    before, spend = day.wallet.state.settled, day.collector.totals()
    url = bid["burl"].replace("${AUCTION_PRICE}", str(price)).replace("${AUCTION_MIN_TO_WIN}", str(price))
    assert desks.notice(desks.app(config), url) == 204
    after = day.collector.totals()
    return (day.wallet.state.settled - before) / MICRO, after.predicted[0] - spend.predicted[0]


def test_an_answer_in_euros_is_billed_in_dollars(desks: Desks) -> None:
    dollars = asked(desks, RATES, {}).bids[0]["price"]
    answer = asked(desks, RATES, {}, cur=["EUR"])
    assert answer.whole["cur"] == "EUR"
    assert answer.bids[0]["price"] == pytest.approx(0.8 * dollars, rel=1e-6)
    cost, _ = billed(desks, RATES, answer.bids[0], price=2.0)
    assert cost == pytest.approx(2.0 / 0.8 / 1000, abs=1e-6)


def test_a_floor_in_euros_holds_in_euros(desks: Desks) -> None:
    price = asked(desks, RATES, {}).bids[0]["price"]
    assert asked(desks, RATES, {"bidfloor": 0.79 * price, "bidfloorcur": "EUR"}).bids
    assert not asked(desks, RATES, {"bidfloor": 0.81 * price, "bidfloorcur": "EUR"}).bids


def test_one_impression_of_many_exposures_is_held_billed_and_counted_as_many(desks: Desks) -> None:
    single = asked(desks, {}, {}).bids[0]
    many = asked(desks, {}, {"qty": {"multiplier": 14.0}}).bids[0]
    assert many["price"] == pytest.approx(single["price"], rel=1e-4)  # per mille of exposures
    cost, kpi = billed(desks, {}, many, price=1.5)
    assert cost == pytest.approx(14 * 1.5 / 1000, abs=1e-6)
    assert kpi.tolist() == pytest.approx([14 * 0.6, 14 * 0.25, 14 * 0.006], rel=1e-6)


def test_a_bill_above_the_bid_costs_the_bid_in_any_currency(desks: Desks) -> None:
    many = asked(desks, RATES, {"qty": {"multiplier": 3.0}}, cur=["EUR"]).bids[0]
    cost, _ = billed(desks, RATES, many, price=1e6)
    assert cost == pytest.approx(3 * many["price"] / 0.8 / 1000, rel=1e-4)


def test_creatives_that_fit_are_drawn_evenly(desks: Desks) -> None:
    app = desks.app({})
    names = ["video", "video-plain", "video-app"]
    drawn = Counter(
        bid["crid"]
        for k in range(300)
        for bid in desks.ask(app, {"creatives": names}, {"id": f"r{k}", "imp": [{"id": "1", "ext": HINTS}]}).bids
    )
    assert sorted(drawn) == ["v", "v-app", "v-plain"]
    assert all(60 <= count <= 140 for count in drawn.values())


@given(scale=st.floats(1e-6, 1e6), count=st.floats(0.1, 100), test=st.booleans(), account=st.text("abc@-", max_size=9))
def test_a_ticket_brings_its_scale_back(scale: float, count: float, test: bool, account: str) -> None:
    signer = Signer(b"x" * 32)
    ticket = Ticket("00" * 9, "11" * 6, account, 5, 7.5, 3, 1, 2, (0.5, 0.25, 0.125), test, False, scale, count)
    assert signer.open(signer.sign(signer.pack(ticket), Kind.bill), Kind.bill) == ticket


@pytest.mark.parametrize(
    "text", ["", "{}", '{"base": "EUR", "rates": {"GBP": 1.1}}', '{"base": "USD", "rates": {"EUR": 0}}']
)
def test_rates_that_say_nothing_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "rates.json").write_text(text)
    with pytest.raises(InvalidServing):
        Rates.load(tmp_path / "rates.json", "USD")


@given(rates=st.dictionaries(st.sampled_from(["USD", "GBP", "JPY"]), st.floats(0.01, 100)))
def test_rates_go_there_and_back(rates: dict[str, float]) -> None:
    worth = {name: 1 / rate for name, rate in rates.items()}
    found = Rates("EUR", worth)
    assert found.of("eur ") == 1.0
    for name, rate in rates.items():
        assert found.of(name.lower()) == pytest.approx(1 / rate)


@pytest.mark.parametrize("text", ["501", "500=first", "3=second", "501=third", "x=first"])
def test_auction_types_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(InvalidServing):
        AuctionTypes((text,))
