"""Tuned gains are a market's own or none."""

import json
from importlib import resources

from bidpilot.agents.gains import found_gains, tuned_gains
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.tune.spaces import BASELINES as SEARCHED
from bidpilot.training.tune.spaces import defaults

BASELINES = {"constant", "pid", "dual_descent", "mpc"}


def test_a_market_without_gains_of_its_own_gets_none() -> None:
    for preset in ("daily", "steady"):
        assert set(tuned_gains(preset)) == set(found_gains(preset)) == BASELINES
    for other in ("my-log", "auctionnet", None):
        assert tuned_gains(other) == found_gains(other) == {}


def test_gains_are_played_that_won_on_held_out_data_and_the_reference_controller_is_neutral() -> None:
    table = json.loads((resources.files("bidpilot.agents") / "data" / "gains.json").read_text())
    for market, entry in table.items():
        for agent, gains in tuned_gains(market).items():
            won = all(part["low"] is not None and part["low"] > 0 for part in entry["held_out"][agent])
            tuned = won and agent != "mpc"
            assert gains == (entry["found"][agent] if tuned else defaults(SEARCHED[agent])), (market, agent)


def test_suites_have_the_gains_of_a_preset_that_they_name() -> None:
    assert {record.gains for record in SUITES.values() if record.name != "steady"} == {"daily"}
    assert SUITES["steady"].gains == "steady"
