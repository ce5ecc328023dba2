"""`bidpilot rebalance`: what it says is what it does, and twice in a night it does it once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bidpilot.bidding.errors import CurrencyMismatch, NotServed
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.solvers.portfolio import Portfolio, roll, solve_portfolio
from bidpilot.training.cli import main
from bidpilot.training.rebalance.plan_file import PlanFile, read_plan
from bidpilot.training.rebalance.run import run
from bidpilot.training.tracking import find_run, latest_finished_run
from tests.serving.conftest import write_controller_bundle
from tests.training.rebalance.admin import TOKEN, FakeAdmin, listening, spent_day

SUNDAY = date(2026, 11, 29)
NAMES = ("launch", "evergreen", "shop")
TERMS: dict[str, Any] = {
    "budget": 280.0,
    "days": 7,
    "reserve": 0.07,
    "campaigns": [
        {"name": "launch", "preference": [0.7, 0.2, 0.1], "conversion_value": 12.0},
        {"name": "evergreen", "preference": [0.2, 0.7, 0.1], "conversion_value": 12.0, "least_budget": 30.0},
        {"name": "shop", "preference": [0.1, 0.1, 0.8], "conversion_value": 12.0, "most_budget": 150.0},
    ],
}
PORTFOLIO = Portfolio.model_validate(TERMS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controller_bundle(tmp_path_factory.mktemp("bundle") / "mpc")


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return preset_forecast()


@pytest.fixture(autouse=True)
def _place(one_store: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    Path("week.yaml").write_text(yaml.safe_dump(TERMS))


class Night:
    """The command against one server."""

    def __init__(self, admin: FakeAdmin, address: str, bundle: Path) -> None:
        self.admin, self.address, self.bundle = admin, address, bundle

    def __call__(self, *options: str) -> dict[str, Any]:
        out = Path("out.json")
        out.unlink(missing_ok=True)
        main(
            [
                "rebalance",
                "week.yaml",
                "--admin",
                self.address,
                "--bundle",
                str(self.bundle),
                "--json",
                str(out),
                *options,
            ]
        )
        return dict(json.loads(out.read_text())) if out.exists() else {}

    def spend(self, day: date, **amounts: float) -> None:
        for name, amount in amounts.items():
            self.admin.days.setdefault(name, {})[day.isoformat()] = spent_day(settled=amount)

    def budgets(self) -> dict[str, float]:
        return {name: self.admin.budget_of(name) for name in NAMES}


@pytest.fixture
def night(bundle: Path) -> Iterator[Night]:
    admin = FakeAdmin(dict.fromkeys(NAMES, 20.0), SUNDAY, passed=1.0)
    with listening(admin) as address:
        yield Night(admin, address, bundle)


def test_the_first_night_plans_as_solve_does(
    night: Night, forecast: Forecast, capsys: pytest.CaptureFixture[str]
) -> None:
    record = night()
    expected = solve_portfolio(forecast, PORTFOLIO).budgets[:, 0]
    assert list(night.budgets().values()) == pytest.approx(expected.tolist(), abs=2e-6)
    assert {order[2] for order in night.admin.posted} == {"2026-11-30"}
    assert (record["day"], record["horizon"]["first"], record["applied"]) == ("2026-11-30", "2026-11-30", True)
    shown = capsys.readouterr().out
    assert "day 1 of 7" in shown
    assert "applied to 3 of 3 campaigns from 2026-11-30 on" in shown
    kept = read_plan(Path("week.plan.json"))
    assert kept is not None
    assert (kept.start, kept.nights[0].budgets) == (date(2026, 11, 30), night.budgets())


def test_a_dry_run_says_what_would_change_and_why_and_changes_nothing(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    record = night("--dry-run")
    assert night.admin.posted == []
    assert not Path("week.plan.json").exists()
    assert not record["applied"]
    shown = capsys.readouterr().out
    for name in NAMES:
        told = record["campaigns"][name]
        assert f"{told['tomorrow']:.2f}" in shown
        assert f"{told['tomorrow'] - told['today']:+.2f}" in shown
    again = night()
    assert again["campaigns"]["shop"]["tomorrow"] == record["campaigns"]["shop"]["tomorrow"]


def test_twice_in_a_night_changes_nothing(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night()
    before, plan = list(night.admin.posted), Path("week.plan.json").read_text()
    night.spend(SUNDAY, launch=0.5)  # meanwhile the day has spent a little more
    night()
    assert night.admin.posted == before
    assert Path("week.plan.json").read_text() == plan
    assert "applied already: nothing changes" in " ".join(capsys.readouterr().out.split())


def test_without_the_plan_the_same_spend_still_changes_nothing(night: Night) -> None:
    night()
    before = list(night.admin.posted)
    Path("week.plan.json").unlink()
    night()
    assert night.admin.posted == before


def test_a_night_that_stood_is_solved_anew_where_its_inputs_changed_or_it_is_asked_to(night: Night) -> None:
    night()
    first = night.budgets()
    night.admin.planned.clear()  # somebody has taken the budgets back
    night()
    assert night.budgets() == pytest.approx(first)
    Path("week.yaml").write_text(yaml.safe_dump(TERMS | {"budget": 140.0}))
    night()
    assert sum(night.budgets().values()) < 0.6 * sum(first.values())
    count = len(night.admin.posted)
    assert night("--again") != {}
    assert len(night.admin.posted) == count


def test_each_night_is_solved_from_what_was_settled(night: Night, forecast: Forecast) -> None:
    """Seven nights, each spending a part of its plan: the budgets are those of `roll`, and the week keeps its own."""
    spent = np.zeros(3)
    day = SUNDAY
    for k, share in enumerate((0.4, 1.0, 0.0, 0.9, 1.0, 0.7, 1.0)):
        night()
        plan = roll(forecast, PORTFOLIO, split(forecast, spent), k)
        assert list(night.budgets().values()) == pytest.approx(plan.budgets[:, 0].tolist(), abs=1e-4), f"day {k}"
        day += timedelta(1)
        night.admin.today = day
        amounts = np.array(list(night.budgets().values())) * share
        night.spend(day, **dict(zip(NAMES, amounts, strict=True)))
        spent += amounts
        assert spent.sum() <= 280.0
    record = night()
    assert record["horizon"] == {"first": "2026-12-07", "last": "2026-12-13", "over": 0}
    assert list(night.budgets().values()) == pytest.approx(
        solve_portfolio(forecast, PORTFOLIO).budgets[:, 0].tolist(), abs=1e-4
    )


def split(forecast: Forecast, spent: np.ndarray) -> np.ndarray:
    """As the market's channels are, where the server knows of none."""
    from bidpilot.training.rebalance.spent import _market

    share = _market(forecast) / _market(forecast).sum()
    return np.outer(spent, share)


def test_why_tells_of_spend_reserve_flight_and_results(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    first = night()
    monday = SUNDAY + timedelta(1)
    night.admin.today = monday
    budgets = night.budgets()
    night.spend(monday, launch=budgets["launch"] * 0.5, evergreen=budgets["evergreen"], shop=budgets["shop"])
    flight = {"start": "2026-11-01", "end": "2026-12-31", "total": 100.0, "days_off": ["2026-12-01"]}
    night.admin.more["evergreen"] = {"flight": flight, "money": {"flight_left": 4.0}}
    night.admin.more["shop"] = {"paused": True}
    for k in range(1, 15):
        good = spent_day(predicted=[100.0, 10.0, 1.0], realised=[100.0, 10.0, 0.4 + 0.01 * (k % 3)])
        night.admin.days["shop"][(monday - timedelta(k)).isoformat()] = good
    record = night("--dry-run")
    why = {name: "; ".join(one["why"]) for name, one in record["campaigns"].items()}
    half = budgets["launch"] / 2
    assert f"spent {half:.2f}, {half:.2f} behind plan" in why["launch"]
    assert "its flight has this day off" in why["evergreen"]
    assert "its flight has 4.00 left" in why["evergreen"]
    assert "of what is predicted" in why["shop"]
    assert "it is paused" in why["shop"]
    assert record["campaigns"]["shop"]["results"]["weight"] < 1.0
    shown = " ".join(capsys.readouterr().out.split())
    released = first["reserve"][0] - record["reserve"][0]
    assert released > 0
    assert f"{released:.2f} released" in shown


def test_a_flight_that_is_over_leaves_its_money_to_the_others(night: Night) -> None:
    flight = {"start": "2026-11-01", "end": SUNDAY.isoformat()}
    night.admin.more["shop"] = {"flight": flight}
    record = night("--dry-run")
    budgets = {name: one["tomorrow"] for name, one in record["campaigns"].items()}
    assert budgets["shop"] == pytest.approx(0.0, abs=1e-3)
    assert sum(budgets.values()) == pytest.approx(sum(night_of(preset_forecast())), rel=0.02)
    assert "no day left in this horizon" in "; ".join(record["campaigns"]["shop"]["why"])


def night_of(forecast: Forecast) -> list[float]:
    return list(solve_portfolio(forecast, PORTFOLIO).budgets[:, 0])


def test_results_move_money_to_who_brings_more_and_need_not(night: Night) -> None:
    for k in range(1, 15):
        day = (SUNDAY - timedelta(k)).isoformat()
        kpi = [100.0, 10.0, 1.0]
        night.admin.days.setdefault("shop", {})[day] = spent_day(
            predicted=kpi, realised=[100.0, 10.0, 0.5 + k % 2 / 50]
        )
        night.admin.days.setdefault("launch", {})[day] = spent_day(predicted=kpi, realised=[100.0, 10.0, 1.0])
    fair = night("--dry-run", "--no-results")["campaigns"]
    weighed = night("--dry-run")["campaigns"]
    assert weighed["shop"]["results"]["weight"] < 0.8
    assert weighed["launch"]["results"]["weight"] == 1.0
    assert weighed["shop"]["tomorrow"] < 0.9 * fair["shop"]["tomorrow"]
    assert weighed["launch"]["tomorrow"] > fair["launch"]["tomorrow"]


def test_late_debt_beyond_the_whole_budget_leaves_nothing_and_is_no_error(night: Night) -> None:
    night("--start", SUNDAY.isoformat())
    Path("week.yaml").write_text(
        yaml.safe_dump(
            TERMS | {"campaigns": [{k: v for k, v in c.items() if "budget" not in k} for c in TERMS["campaigns"]]}
        )
    )
    night.spend(SUNDAY, launch=150.0, evergreen=100.0, shop=31.0)
    night("--again")
    assert sum(night.budgets().values()) == pytest.approx(0.0, abs=1e-5)


def test_one_run_is_tracked_with_what_it_found(night: Night) -> None:
    night()
    tracked = find_run(latest_finished_run("rebalance").run_id)
    assert tracked.name == "rebalance week 2026-11-30"
    assert tracked.metrics["budget/shop"] == pytest.approx(night.budgets()["shop"])


def refused(capsys: pytest.CaptureFixture[str], night: Night, *options: str) -> str:
    with pytest.raises(SystemExit) as caught:
        night(*options)
    assert caught.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_campaign_that_is_not_served_is_refused_by_name(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    del night.admin.budgets["shop"]
    text = refused(capsys, night)
    assert "shop of week.yaml is not served by" in text
    assert "which has launch, evergreen" in text
    assert NotServed.__doc__


def test_another_currency_is_refused(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.admin.currency = "EUR"
    assert "week.yaml is in USD, and http" in refused(capsys, night)
    assert night.admin.posted == []
    night("--currency", "EUR")
    assert CurrencyMismatch.__doc__


def test_a_server_that_does_not_answer_is_an_error(
    night: Night, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "does not answer GET" in refused(capsys, night, "--admin", "http://127.0.0.1:9")
    monkeypatch.delenv("BIDPILOT_ADMIN_TOKEN")
    assert "Set BIDPILOT_ADMIN_TOKEN" in refused(capsys, night)
    assert run.__doc__


def test_a_budget_that_is_refused_takes_the_others_back(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.admin.fails["shop"] = [400] * 9
    night.admin.fails["launch"] = []
    text = refused(capsys, night)
    assert "the budget of shop for 2026-11-30 could not be applied" in text
    assert "it does not want to" in text
    assert {name: budget for name, budget in night.budgets().items() if name != "shop"} == {
        "launch": 20.0,
        "evergreen": 20.0,
    }
    assert not Path("week.plan.json").exists()
    night.admin.fails.clear()
    night()
    assert sum(night.budgets().values()) > 0


def test_a_portfolio_that_cannot_be_changes_nothing(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    Path("week.yaml").write_text(yaml.safe_dump(TERMS | {"channel_caps": {"search": 1.0, "feed": 1.0, "stories": 1.0}}))
    text = refused(capsys, night)
    assert "bidpilot: " in text
    assert night.admin.posted == []


def test_the_file_of_one_campaign_is_no_portfolio(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    Path("week.yaml").write_text(yaml.safe_dump({"campaign": {"budget": 40.0}}))
    assert "week.yaml is of one campaign" in refused(capsys, night)


def test_a_start_is_kept_and_days_before_it_do_not_count(night: Night, forecast: Forecast) -> None:
    night.spend(SUNDAY, launch=19.0)
    night.spend(SUNDAY - timedelta(1), launch=15.0)
    night("--start", SUNDAY.isoformat())
    kept = read_plan(Path("week.plan.json"))
    assert isinstance(kept, PlanFile)
    assert kept.start == SUNDAY
    plan = roll(forecast, PORTFOLIO, split(forecast, np.array([19.0, 0.0, 0.0])), 1)
    assert list(night.budgets().values()) == pytest.approx(plan.budgets[:, 0].tolist(), abs=1e-4)
