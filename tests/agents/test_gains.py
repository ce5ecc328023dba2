"""Tuned gains are a setting's own or none."""

import pytest

from bidpilot.agents.gains import tuned_gains
from bidpilot.training.evaluation.catalogue import SUITES


def test_a_setting_without_gains_of_its_own_gets_none() -> None:
    assert set(tuned_gains("daily")) == set(tuned_gains("steady")) == {"constant", "pid", "dual_descent", "mpc"}
    assert tuned_gains("my-log") == tuned_gains("my-log", recorded=True) == {}


@pytest.mark.parametrize(("name", "recorded"), [("daily", True), ("steady", True), ("auctionnet", False)])
def test_a_name_that_a_log_and_a_preset_share_brings_no_gains(name: str, recorded: bool) -> None:
    assert tuned_gains(name, recorded) == {}
    assert tuned_gains(name, not recorded)


def test_suites_have_the_gains_of_a_preset_that_they_name() -> None:
    assert {record.gains for record in SUITES.values() if record.name != "steady"} == {"daily"}
    assert SUITES["steady"].gains == "steady"
