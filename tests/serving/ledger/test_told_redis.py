"""Two bidders around a real Redis: after a slot's end both hold the same rule, made of what both have seen."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.redis import RedisStore
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.sharing import PAUSE


def test_two_bidders_decide_alike_from_what_both_have_seen(
    bundle_folder: Path, tmp_path: Path, redis_server: object
) -> None:
    clock, prefix = ManualClock(20_000 * DAY + 3600.0), secrets.token_hex(4)
    guard = GuardrailConfig(patience=30.0)
    bidders = [
        open_bidder(
            ServeConfig(bundle=bundle_folder, state=tmp_path / str(k), guardrails=guard, bidders=2),
            clock,
            store=RedisStore(redis_server.url, prefix, clock),  # type: ignore[attr-defined]
        )
        for k in range(2)
    ]
    for bidder, count in zip(bidders, (60, 5), strict=True):
        for _ in range(count):
            answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
            assert isinstance(answer, Bid)
            bidder.bill(answer.ticket, 0.01, 0.01)
    for moment in (bidders[0].moment.end, bidders[0].moment.end + PAUSE):
        clock.move(moment)
        for bidder in bidders:
            bidder.tick()
    days = [bidder.days["default"] for bidder in bidders]
    assert days[0].alpha == pytest.approx(days[1].alpha, rel=1e-12)
    for day, share in zip(days, (70 / 85, 15 / 85), strict=True):
        assert day._pilot.spend == pytest.approx(0.65)
        assert day.sharing.share == pytest.approx(share)  # 20 auctions of weight at a half each
        state = day.wallet.keeper.store.state(day.account)
        assert state is not None
        assert state.settled == 0.65 * MICRO
    for bidder in bidders:
        bidder.close()
