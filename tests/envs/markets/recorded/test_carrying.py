"""What carries over between campaigns: chosen by the variance between them, and rates where that says too little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.markets.recorded.carrying import carry_over, kept_worth, reference_value

PER_SLOT = 3


def log_of(*days: tuple[str, float, float]) -> AuctionLog:
    """Days of two slots: whose they are, what a conversion is worth, and the predicted rate of all their auctions."""
    rate = np.repeat([day[2] for day in days], 2 * PER_SLOT).astype(np.float32)
    ones, zeros = np.ones(len(rate), np.float32), np.zeros(len(rate), np.int16)
    return AuctionLog(
        name="small",
        market_price=ones,
        exposure=ones,
        interaction=ones,
        conversion=rate,
        true_exposure=ones,
        true_interaction=ones,
        true_conversion=rate,
        segment=zeros,
        source=zeros,
        invalid=np.zeros(len(rate), np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.full(2, PER_SLOT)] * len(days)),
        days=tuple(
            DayRecord(f"day {d}", f"unit {d}", 10.0, worth, campaign=whose) for d, (whose, worth, _) in enumerate(days)
        ),
        segments=("feed/head",),
        sources=1,
    )


def two(first: tuple[float, float], second: tuple[float, float]) -> AuctionLog:
    """Two days each of two campaigns of such worth and rate."""
    return log_of(("a", *first), ("a", *first), ("b", *second), ("b", *second))


def test_where_rates_agree_and_worths_do_not_rates_carry_over() -> None:
    found = carry_over(two((1.0, 0.01), (4.0, 0.01)))
    assert found.carries == "rates"
    assert found.rates_variance == pytest.approx(0.0, abs=1e-9)
    assert found.money_variance == pytest.approx(np.log(4.0) ** 2 / 2, rel=1e-5)
    assert "0.0000, of log money 0.9609" in str(found)


def test_where_rates_times_worth_agree_money_carries_over() -> None:
    found = carry_over(two((1.0, 0.04), (4.0, 0.01)))
    assert found.carries == "money"
    assert found.money_variance == pytest.approx(0.0, abs=1e-9)
    assert found.rates_variance == pytest.approx(np.log(4.0) ** 2 / 2, rel=1e-5)
    assert str(found).startswith("money carries over: between 2 campaigns")


def test_a_variance_that_is_not_clearly_less_is_left_in_doubt() -> None:
    """Two campaigns: a quarter of the variance is far above the 5 % quantile of F(1, 1), 0.006."""
    found = carry_over(two((1.0, 0.04), (2.0, 0.01)))
    assert found.money_variance == pytest.approx(np.log(2.0) ** 2 / 2, rel=1e-5)
    assert found.rates_variance == pytest.approx(np.log(4.0) ** 2 / 2, rel=1e-5)
    assert found.carries == "rates"
    assert "not clearly less" in found.why


def test_more_campaigns_make_the_same_ratio_clear() -> None:
    """The 5 % quantile of F(7, 7) is 0.264: seven times two days at a quarter of the variance suffice."""
    days = [("abcdefgh"[k % 8], 2.0 ** (k % 2), 0.04 / 4.0 ** (k % 2)) for k in range(16)]
    assert carry_over(log_of(*days)).carries == "money"


def test_sampling_within_campaigns_is_taken_out() -> None:
    """Rates of a campaign's two days are 0.4 apart in logs: a variance of 0.08, and so 0.04 of their mean."""
    apart = np.exp([-0.2, 0.2])
    found = carry_over(log_of(*(("a", 4.0, 0.01 * x) for x in apart), *(("b", 1.0, 0.04 * x) for x in apart)))
    assert found.rates_variance == pytest.approx(np.log(4.0) ** 2 / 2 - 0.04, rel=1e-4)
    assert found.money_variance == pytest.approx(0.0, abs=1e-9)
    assert found.carries == "rates"  # 0.04 of doubt is 4 % of the variance of rates, above 0.6 %
    assert "not clearly less" in found.why


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (two((4.0, 0.04), (4.0, 0.01)), "worth 4 on all days"),
        (log_of(("", 1.0, 0.04), ("", 4.0, 0.01), ("", 1.0, 0.04)), "0 campaigns are named"),
        (log_of(("a", 1.0, 0.04), ("a", 1.0, 0.04), ("b", 4.0, 0.01)), "1 campaigns are named on two days"),
        (log_of(("a", 1.0, 0.04), ("b", 4.0, 0.01)), "0 campaigns are named on two days"),
        (two((1.0, 0.0), (4.0, 0.0)), "no conversions"),
        (log_of(*[("a", 1.0, 0.04)] * 2, *[("b", 4.0, 0.0)] * 2), "1 campaigns"),
    ],
)
def test_where_there_is_too_little_to_tell_rates_are_taken(log: AuctionLog, why: str) -> None:
    found = carry_over(log)
    assert found.carries == "rates"
    assert why in found.why
    assert found.money_variance is None


def test_what_is_asked_for_is_not_measured() -> None:
    rates = two((1.0, 0.01), (4.0, 0.01))
    assert carry_over(rates, "money").carries == "money"
    assert carry_over(two((1.0, 0.04), (4.0, 0.01)), "rates").carries == "rates"
    assert carry_over(rates, "money").why == "as was asked"


def test_a_days_worth_counts_in_money_alone() -> None:
    log = log_of(("a", 1.0, 0.01), ("b", 4.0, 0.01), ("b", 4.0, 0.01))
    assert kept_worth(log, "rates").tolist() == [1.0, 1.0, 1.0]
    assert kept_worth(log, "money").tolist() == [1.0, 4.0, 4.0]
    assert reference_value(log, "rates") == 3.0
    assert reference_value(log, "money") is None


def test_a_campaigns_days_need_not_stand_together() -> None:
    one, other = ("a", 1.0, 0.04), ("b", 4.0, 0.01)
    assert carry_over(log_of(one, other, one, other)) == carry_over(log_of(one, one, other, other))
    log = log_of(one, other, one, other)
    renamed = replace(log, days=tuple(replace(day, campaign=day.label) for day in log.days))
    assert carry_over(renamed).carries == "rates"
