"""What sections make of purchases: sums are kept, shares are shares, and what is missing is told in a line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.training.reporting.evidence import Evidence, Limit
from bidpilot.training.reporting.sections import bought, card, constraints, fairness, invalid, roi, tail, users
from bidpilot.training.reporting.sections.catalogue import sections
from bidpilot.training.reporting.words import DASH, number, percent, within
from bidpilot.training.roi.offered import Offered
from bidpilot.training.roi.purchases import By, Valued

amounts = st.lists(st.integers(0, 1000), min_size=1, max_size=40).map(lambda x: np.array(x, np.int64))


def test_without_anything_each_section_says_in_a_line_what_would_bring_it() -> None:
    found = sections(Evidence("log", "nothing", ()))
    assert [section.key for section in found if section.missing is None] == []
    assert all(section.missing and "\n" not in section.missing and len(section.missing) > 40 for section in found)
    assert len({section.key for section in found}) == len(found) == 16


def test_what_is_said_to_be_lacking_goes_before_the_usual_words() -> None:
    found = sections(Evidence("log", "nothing", (), lacks={"funnel": "Turn on events."}))
    assert next(section for section in found if section.key == "funnel").missing == "Turn on events."


@given(amounts)
def test_gini_is_0_where_all_have_the_same_and_never_1(values: np.ndarray) -> None:
    found = fairness.gini(values)
    assert 0 <= found < 1
    assert fairness.gini(np.full(len(values), 7)) == pytest.approx(0)
    if values.sum() > 0:
        differences = np.abs(values[:, None] - values[None, :]).mean()
        assert found == pytest.approx(differences / (2 * values.mean()))


@given(amounts)
def test_large_sources_send_half_of_all_and_each_has_a_size(requests: np.ndarray) -> None:
    size, number_of = fairness.sizes(requests)
    assert sum(number_of) == (requests > 0).sum()
    large = requests[size == 0]
    # the last of them passes a half
    assert large.sum() >= requests.sum() / 2
    assert large.sum() - large.min() < requests.sum() / 2 or requests.sum() == 0
    assert requests[size == 0].min(initial=1000) >= requests[size == 2].max(initial=0)


def test_sources_left_out_of_a_table_are_in_its_last_row(evidence: Evidence) -> None:
    assert evidence.purchases is not None
    whole = evidence.purchases.by(By.source)
    few = bought.largest(whole, 2)
    assert few.groups[-1] == "3 others"
    for name in ("spend", "wins", "expected", "realised", "value"):
        np.testing.assert_allclose(getattr(few, name).sum(axis=1), getattr(whole, name).sum(axis=1))
    assert few.spend[:, 0].sum() >= few.spend[:, 1].sum()


def test_a_served_log_tells_all_but_what_no_log_knows(evidence: Evidence) -> None:
    found = {section.key: section for section in sections(evidence)}
    assert sorted(key for key, section in found.items() if section.missing) == [
        "constraints", "front", "incidents", "scores", "users",
    ]  # fmt: skip
    assert "order values as they were told" in found["roi"].notes[0]
    steps = {row[0]: row[1] for row in found["funnel"].sheets[0].rows}
    assert steps["exposure"] == steps["3-second view"]
    assert steps["comment"] == "0"
    refused = found["invalid"].sheets[0].rows
    assert [row[0] for row in refused] == ["source 5"]
    assert refused[0][3] == "100.0 %"
    assert "head to tail 0.9635 : 1" in found["tail"].lead


def test_tails_history_is_by_hour_where_days_are_few(evidence: Evidence) -> None:
    assert evidence.purchases is not None
    first = np.arange(len(evidence.purchases.days)) < 1
    one = replace(evidence, purchases=evidence.purchases.of_days(first))
    assert tail.section(one).charts[0].title.endswith("by hour")
    assert tail.section(evidence).charts[0].title.endswith("by day")


def test_a_tail_that_won_nothing_is_told_beside_its_requests(evidence: Evidence) -> None:
    """A head that eats everything hides nothing."""
    purchases, offered = evidence.purchases, evidence.offered
    assert purchases is not None
    assert offered is not None
    head = replace(evidence, purchases=replace(purchases, segment=purchases.segment // 2 * 2))
    found = {section.key: section for section in sections(head)}
    by_tier = next(sheet for sheet in found["bought"].sheets if sheet.title == "By tier")
    assert [row[:4] for row in by_tier.rows][1] == ("tail", "0", "0.0 %", "0")
    assert found["tail"].lead.startswith("0.0 % of exposures and 0.0 % of the money went to long-tail content.")
    shown = next(sheet for sheet in found["fairness"].sheets if sheet.title == "By content tier")
    assert shown.rows[1][:3] == ("tail", "0", "0.0 %")
    assert shown.rows[1][3] == percent(offered.by_segment[1::2].sum() / offered.by_segment.sum())
    feed = replace(evidence, purchases=replace(purchases, segment=purchases.segment % 2))
    found = {section.key: section for section in sections(feed)}
    for key in ("bought", "funnel", "tail"):
        assert any([row[:1] for row in sheet.rows] == [("feed",), ("search",)] for sheet in found[key].sheets), key
    assert "No interval for search: nothing was bought." in found["roi"].notes
    assert found["channels"].lead == "All was bought on one channel: there is none to compare."


def test_cost_and_return_stand_beside_the_conversions_that_they_are_of(evidence: Evidence) -> None:
    purchases = evidence.purchases
    assert purchases is not None
    section = bought.section(evidence)
    columns, first = section.sheets[0].columns, section.sheets[0].rows[0]
    told = dict(zip(columns, first, strict=True))
    feed = purchases.segment < 2
    assert told["conversions, expected"] == number(float(purchases.kpi[feed, 2].sum()))
    assert told["conversions"] == number(float(purchases.converted[feed].sum())) != told["conversions, expected"]
    assert told["CPA"] == number(float(purchases.cost[feed].sum() / purchases.converted[feed].sum()))
    assert section.notes == (
        "Expected is what was to be expected of the exposures; CPA and ROI are of the conversions that came.",
    )
    unknown = replace(evidence, purchases=replace(purchases, valued=Valued.expected))
    plain = bought.section(unknown)
    assert plain.notes[0].startswith("CPA and ROI are of expected conversions")
    assert "conversions" not in plain.sheets[0].columns
    assert len(plain.sheets[0].columns) == len(plain.sheets[0].rows[0]) == len(columns) - 1


def test_no_conversion_is_told_as_such_and_payback_as_a_bound(evidence: Evidence) -> None:
    purchases = evidence.purchases
    assert purchases is not None
    none = replace(purchases, converted=0 * purchases.converted, value=0 * purchases.value)
    assert roi.section(replace(evidence, purchases=none)).lead == "No conversion came of the money."
    found = roi.section(replace(evidence, purchases=replace(purchases, value=9 * purchases.converted + 9)))
    assert found.lead.endswith("It was paid back after 1 day at the earliest.")
    assert "conversions that are still to come are in no figure" in found.notes[-1]


def test_each_line_of_the_scorecard_stands_beside_its_rule(evidence: Evidence) -> None:
    section = card.section(evidence)
    lines, rules = section.sheets
    assert [row[1] for row in lines.rows] == [row[0] for row in rules.rows] == ["pace"]
    assert rules.rows[0][1].startswith("spend over the day's budget, 90% to 100%")
    assert section.lead.startswith("Compliance 0.0 % of days; cost –")


def test_user_tiers_are_told_where_a_part_of_the_segments_name_is_one(evidence: Evidence) -> None:
    assert evidence.purchases is not None
    told = replace(evidence.purchases, segments=("feed/new", "feed/loyal", "search/new", "search"))
    section = users.section(replace(evidence, purchases=told))
    assert [row[0] for row in section.sheets[0].rows] == ["new", "loyal", "not told"]
    none = users.section(replace(evidence, purchases=replace(told, segment=np.zeros_like(told.segment))))
    assert [row[0] for row in none.sheets[0].rows] == ["new", "loyal", "not told"]
    assert sum(float(row[2].removesuffix(" %")) for row in section.sheets[0].rows) == pytest.approx(100, abs=0.2)


def test_what_the_solver_rounds_is_nothing_left_of_a_bound() -> None:
    near = Limit("max_cpa", 3.0, 3.0 - 1e-12, 0.3, 2.0, "unit", "dear")
    loose = Limit("budget", 40.0, 30.0, 0.0, None, "unit", "does not bind", kept=0.5)
    section = constraints.section(Evidence("run", "", (), limits=(near, loose)))
    rows = section.sheets[0].rows
    assert [row[4] for row in rows] == ["0", "10"]
    assert [row[-1] for row in rows] == [DASH, "50.0 %"]
    assert section.lead.startswith("1 of 2 constraints bind: max_cpa.")


def test_prices_of_several_constraints_are_drawn_and_money_on_invalid_traffic_is_told(evidence: Evidence) -> None:
    limits = tuple(Limit(name, 3.0, 3.0, 0.3, 2.0, "unit", "dear") for name in ("max_cpa", "budget"))
    (chart,) = constraints.section(replace(evidence, limits=limits)).charts
    assert chart.labels == ("max_cpa, per unit", "budget, per unit")  # type: ignore[union-attr]
    bought_of_it = evidence.purchases
    assert bought_of_it is not None
    bad = replace(evidence, purchases=replace(bought_of_it, invalid=np.ones(len(bought_of_it), np.bool_)))
    assert "100.0 % of the money went to invalid exposures" in invalid.section(bad).lead


def test_one_channel_is_compared_with_nothing(evidence: Evidence) -> None:
    assert evidence.purchases is not None
    one = replace(evidence.purchases, segments=("feed/a", "feed/b", "feed/c", "feed/d"))
    assert (roi.channels(replace(evidence, purchases=one)).missing or "").startswith("There is one channel.")


def test_a_log_without_refusals_has_no_chart_of_them() -> None:
    none = Offered(np.array([5]), np.array([5]), np.zeros((1, 4), np.int64), invalid=2.0, invalid_refused=1.0)
    section = invalid.section(Evidence("log", "", (), offered=none))
    assert section.charts == ()
    assert "50.0 % were refused" in section.lead


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0"), (12.0, "12"), (12.3456, "12.35"), (1234567.8, "1,234,568"), (0.00123456, "0.001235"),
     (2e-7, "2.000e-07"), (999.96, "1000"), (None, DASH), (float("nan"), DASH), (-0.5, "-0.5")],
)  # fmt: skip
def test_numbers_have_four_digits(value: float | None, told: str) -> None:
    assert number(value) == told


def test_what_there_is_not_is_a_dash() -> None:
    assert percent(None) == within(None, 1.0) == DASH
    assert within(-0.1, 0.2, relative=True) == "-10.0 to +20.0 %"
