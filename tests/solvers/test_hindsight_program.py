"""Facts about the optimum of one day: it is that of the program with a variable for each auction."""

from __future__ import annotations

import math
from typing import Any

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.envs.clearing.day import DayAuctions
from bidpilot.solvers.hindsight import optimum_of_day
from bidpilot.solvers.hindsight_held import Held

Floats = NDArray[np.float64]
# cvxpy says that it writes weighted means as second-order cones; these weights it writes exactly.
pytestmark = pytest.mark.filterwarnings("ignore:geo_mean is being approximated")
cp: Any = cvxpy  # its functions are not all typed
SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
CHANNELS = ("feed", "search")
CHANNEL, TAIL = np.array([0, 0, 1, 1]), np.array([False, True, False, True])
KINDS = [kind.code for kind in Scalarisation]
PREFERENCE = np.array([0.2, 0.3, 0.5])


def a_day(size: int, seed: int, free: float = 0.0, invalid: float = 0.1) -> DayAuctions:
    """Auctions whose prices follow their values loosely; some free, some worth nothing."""
    rng = np.random.default_rng(seed)
    quality = rng.lognormal(0, 1, size)
    value = np.stack(
        [
            rng.uniform(0.2, 1, size),
            0.1 * rng.lognormal(0, 1, size) * np.sqrt(quality),
            0.003 * rng.lognormal(0, 1.2, size) * np.sqrt(quality),
        ],
        axis=1,
    )
    value[rng.random(size) < invalid] = 0.0
    price = 0.1 * quality * rng.lognormal(0, 0.7, size)
    price[rng.random(size) < free] = 0.0
    segment = rng.integers(0, len(SEGMENTS), size)
    true = value.astype(np.float32)
    none = np.zeros(size, np.int16)
    return DayAuctions(
        none, segment.astype(np.int16), none, price.astype(np.float32), true, true, none.astype(np.bool_)
    )


def ideal_of(day: DayAuctions) -> Floats:
    total = day.true.sum(axis=0, dtype=np.float64)
    return np.where(total > 0, total, 1.0) * [0.23, 0.16, 0.3]


def campaign_for(day: DayAuctions, share: float = 0.05, **changes: Any) -> Campaign:
    """A budget of `share` of all prices; caps and floors in shares of the budget and of the day."""
    budget = max(float(day.price.sum()) * share, 1e-3)
    if "channel_caps" in changes:
        changes["channel_caps"] = {channel: cap * budget for channel, cap in changes["channel_caps"].items()}
    if "kpi_floors" in changes:
        changes["kpi_floors"] = tuple((np.array(changes["kpi_floors"]) * day.true.sum(axis=0)).tolist())
    return Campaign(budget=budget, **changes)


def optimum(day: DayAuctions, campaign: Campaign, kind: int, preference: Floats, ideal: Floats) -> Any:
    """The optimum of one day for one campaign, whatever its own preference."""
    held = Held.of(CampaignBatch.repeat(campaign, 1), 0, SEGMENTS)
    return optimum_of_day(day, len(SEGMENTS), held, kind, preference, ideal)


def per_auction(day: DayAuctions, asked: Campaign, kind: int, spend: float | None = None) -> float:
    """The optimum with a variable for each auction; with `spend`, the CPA score at no more spend than that.

    Totals and spend are scaled to order 1.
    """
    ideal, total = ideal_of(day), day.true.sum(axis=0, dtype=np.float64)
    price, segment = day.price.astype(np.float64), day.segment
    y = cp.Variable(len(price))
    x = cp.Variable(3)  # shares of the day
    gain = total / ideal
    budget = asked.budget if spend is None else spend
    rules = [x == (day.true / total).T @ y, y >= 0, y <= 1, (price / asked.budget) @ y <= budget / asked.budget]
    tail, channel = TAIL[segment], CHANNEL[segment]
    if asked.min_tail_share:
        rules.append((asked.min_tail_share - tail) @ y <= 0)
    rules += [(price * (channel == CHANNELS.index(c)) / cap) @ y <= 1 for c, cap in asked.channel_caps.items()]
    if asked.min_roi:
        worth = asked.conversion_value * total[2] / asked.min_roi / asked.budget
        rules.append((price / asked.budget) @ y <= worth * x[2])
    rules += [x[j] >= asked.kpi_floors[j] / total[j] for j in range(3) if asked.kpi_floors[j] > 0]
    weighted = (PREFERENCE * gain) @ x
    worst = cp.min(cp.multiply(PREFERENCE.max() * gain / PREFERENCE, x))
    nash = cp.geo_mean(x, [2, 3, 5]) * float((gain**PREFERENCE).prod())
    if spend is None:
        return solved((weighted, nash, worst)[kind], rules)
    # Below the conversions that the target asks for, the cube root of the score is a concave mean; above, it is u.
    assert asked.max_cpa is not None
    least = spend / asked.max_cpa / total[2]
    dear = (
        cp.geo_mean(cp.hstack([weighted, x[2]]), [1, 2]),
        cp.geo_mean(x, [2, 3, 25]) * float((gain**PREFERENCE).prod()) ** (1 / 3),
        cp.geo_mean(cp.hstack([worst, x[2]]), [1, 2]),
    )[kind]
    within = solved((weighted, nash, worst)[kind], [*rules, x[2] >= least])
    return max(within, float(solved(dear, [*rules, x[2] <= least]) ** 3 / least**2))


def solved(goal: Any, rules: list[Any]) -> float:
    """The largest value of a concave goal; 0 where the rules contradict each other."""
    problem = cp.Problem(cp.Maximize(goal), rules)
    problem.solve(solver=cp.HIGHS if problem.is_lp() else cp.CLARABEL)
    assert problem.status in ("optimal", "infeasible")
    return float(goal.value) if problem.status == "optimal" else 0.0


LIMITS: dict[str, dict[str, Any]] = {
    "budget": {},
    "tail": {"min_tail_share": 0.7},
    "caps": {"channel_caps": {"feed": 0.2, "search": 0.5}},
    "roi": {"min_roi": 3.3, "conversion_value": 10.0},
    "floors": {"kpi_floors": (0.34, 0.0, 0.1)},
    "all": {
        "min_tail_share": 0.6,
        "channel_caps": {"feed": 0.4},
        "min_roi": 2.5,
        "conversion_value": 10.0,
        "kpi_floors": (0.15, 0.02, 0.02),
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIMITS)
def test_it_is_the_program_with_a_variable_for_each_auction(kind: int, name: str) -> None:
    day = a_day(600, seed=3, free=0.02)
    asked = campaign_for(day, **LIMITS[name])
    got = optimum(day, asked, kind, PREFERENCE, ideal_of(day))
    best = per_auction(day, asked, kind)
    assert got.feasible
    assert got.utility == pytest.approx(best, rel=1e-6)
    assert got.bound == pytest.approx(best, rel=1e-6)
    if name != "budget":  # the limit was felt
        assert got.bound < 0.9999 * optimum(day, campaign_for(day), kind, PREFERENCE, ideal_of(day)).bound


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_that_program_on_two_thousand_auctions(kind: int) -> None:
    day = a_day(2000, seed=4)
    asked = campaign_for(day)
    got = optimum(day, asked, kind, PREFERENCE, ideal_of(day))
    best = per_auction(day, asked, kind)
    assert got.utility == pytest.approx(best, rel=1e-6)
    assert got.bound == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("changes", "target"), [({}, 3.0), ({}, 8.0), ({"min_tail_share": 0.6}, 8.0)])
def test_with_a_target_it_is_the_best_of_all_levels_of_spend(kind: int, changes: dict[str, Any], target: float) -> None:
    """Each level's program is log-concave; between two levels a factor q apart the score moves by at most q squared."""
    day = a_day(150, seed=5)
    asked = campaign_for(day, share=0.2, max_cpa=target, **changes)
    got = optimum(day, asked, kind, PREFERENCE, ideal_of(day))
    near = got.spend * 1.02 ** np.arange(-3, 4)
    levels = np.append(asked.budget * np.geomspace(0.02, 1, 12), near[near <= asked.budget])
    scores = np.array([per_auction(day, asked, kind, float(s)) for s in levels])
    assert got.bound >= scores.max() * (1 - 1e-6)
    assert got.utility <= got.bound
    assert got.utility == pytest.approx(scores.max(), rel=1.1e-5)  # one level is its own spend
    assert got.utility >= (1 - 1e-5) * got.bound


def test_the_target_changes_what_is_bought() -> None:
    """With a strict target the optimum leaves budget, and pays more for a conversion than the target: it is soft."""
    day = a_day(400, seed=6)
    asked = campaign_for(day, share=0.3, max_cpa=0.3)
    got = optimum(day, asked, 0, PREFERENCE, ideal_of(day))
    assert got.kpi is not None
    assert 0 < got.spend < 0.9 * asked.budget
    assert got.spend / got.kpi[2] > 1.001 * 0.3


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    size=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    share=st.floats(0.01, 1.5),
    free=st.sampled_from([0.0, 0.2]),
    name=st.sampled_from(sorted(LIMITS)),
    target=st.sampled_from([None, 2.0, 20.0]),
)
def test_more_freedom_never_lowers_it(
    seed: int, size: int, kind: int, share: float, free: float, name: str, target: float | None
) -> None:
    """A budget half as large again, no limit, no target: each time at least as much, and always a bound above it."""
    day = a_day(size, seed, free)
    asked = campaign_for(day, share, max_cpa=target, **LIMITS[name])
    freer = [
        asked.model_copy(update={"budget": asked.budget * 1.5}),
        asked.model_copy(update={"max_cpa": target and target * 1.5}),
        Campaign(budget=asked.budget, max_cpa=asked.max_cpa),
        Campaign(budget=asked.budget),
    ]
    got = optimum(day, asked, kind, PREFERENCE, ideal_of(day))
    assert 0 <= got.utility <= got.bound < math.inf
    assert got.utility >= (1 - 1e-5) * got.bound - 1e-9
    assert got.feasible or got.bound == 0
    for other in freer:
        assert got.utility <= optimum(day, other, kind, PREFERENCE, ideal_of(day)).bound * (1 + 1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), kind=st.sampled_from(KINDS), target=st.sampled_from([None, 1.0, 10.0]))
def test_no_purchase_passes_the_bound(seed: int, kind: int, target: float | None) -> None:
    """Random shares of random auctions, scaled to the budget."""
    day, rng = a_day(30, seed), np.random.default_rng(seed)
    asked, ideal = campaign_for(day, share=0.3, max_cpa=target), ideal_of(day)
    got = optimum(day, asked, kind, PREFERENCE, ideal)
    for _ in range(20):
        worth = day.true @ (rng.dirichlet(np.ones(3)) / ideal) / day.price
        y = np.where(worth >= np.quantile(worth, rng.uniform(0, 0.95)), rng.uniform(0.5, 1, 30), 0.0)
        spend = float(y @ day.price)
        y *= min(1.0, asked.budget / spend)
        spend, x = float(y @ day.price), y @ day.true
        share = x / ideal
        u = (PREFERENCE @ share, (share**PREFERENCE).prod(), PREFERENCE.max() * (share / PREFERENCE).min())[kind]
        if target is not None and spend > target * x[2]:
            u *= (target * x[2] / spend) ** 2
        assert u <= got.bound * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_floors_out_of_reach_are_infeasible(kind: int) -> None:
    day = a_day(100, seed=7)
    for target in (None, 5.0):
        for floors in ((0.9, 0.0, 0.0), (1.1, 0.0, 0.0)):
            asked = campaign_for(day, share=0.02, max_cpa=target, kpi_floors=floors)
            got = optimum(day, asked, kind, PREFERENCE, ideal_of(day))
            assert not got.feasible
            assert got.utility == got.bound == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("target", [None, 5.0])
def test_degenerate_days_have_their_value(kind: int, name: str, target: float | None) -> None:
    """Nothing valid: 0. Everything free: all of it, where the asked let it."""
    nothing = a_day(20, seed=8, invalid=1.1)
    ideal = np.ones(3)
    assert optimum(nothing, Campaign(budget=1.0, max_cpa=target), kind, PREFERENCE, ideal).bound == 0.0
    free = a_day(20, seed=8, free=1.1)
    ideal = free.true.sum(axis=0, dtype=np.float64)
    asked = campaign_for(free, max_cpa=target, **LIMITS[name])
    got = optimum(free, asked, kind, PREFERENCE, ideal)
    assert got.spend == 0.0
    if name in ("budget", "caps", "roi", "floors"):
        assert got.utility == pytest.approx(1.0, rel=1e-6)
        assert got.bound == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_without_conversions_a_target_leaves_what_is_free(kind: int) -> None:
    day = a_day(50, seed=9, free=0.3)
    day.true[:, 2] = 0.0
    preference = np.array([0.4, 0.6, 0.0])
    ideal = np.ones(3)
    asked = campaign_for(day, max_cpa=5.0)
    got = optimum(day, asked, kind, preference, ideal)
    share = day.true[day.price == 0].sum(axis=0, dtype=np.float64)[:2]
    weight = preference[:2]
    want = (weight @ share, (share**weight).prod(), weight.max() * (share / weight).min())[kind]
    assert got.utility == pytest.approx(want, rel=1e-6)
    assert got.spend == 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), size=st.integers(1, 12), share=st.floats(0.01, 1.5), target=st.floats(0.5, 50))
def test_conversions_alone_with_a_target_are_a_scan_of_the_frontier(
    seed: int, size: int, share: float, target: float
) -> None:
    """Against every level of spend on a fine grid, each bought in the order of value per price."""
    day = a_day(size, seed)
    asked = campaign_for(day, share, max_cpa=target)
    got = optimum(day, asked, 0, np.array([0.0, 0.0, 1.0]), np.ones(3))
    order = np.argsort(-day.true[:, 2] / day.price, kind="stable")
    spend = np.append(0.0, np.cumsum(day.price[order], dtype=np.float64))
    total = np.append(0.0, np.cumsum(day.true[order, 2], dtype=np.float64))
    top = min(asked.budget, spend[-1])
    s = np.geomspace(min(1e-3 * spend[1], top), top, 4000)  # steps below 1 %, so 3 % of a score at most
    x = np.interp(s, spend, total)
    score = x * np.minimum(1.0, target * x / s) ** 2
    assert got.utility >= score.max() * (1 - 1e-6)
    assert got.utility <= score.max() * 1.05 + 1e-12
