"""The setting of a log: the preference that follows what it has, what carries over, what is refused before any run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import BidpilotError, InfeasibleCampaign, InvalidMarket, UnknownChannel, ZeroIdealPoint
from bidpilot.envs.logs.storage import load_log
from bidpilot.envs.markets.defaults import preset_campaign
from bidpilot.envs.markets.fitted.fit import calibrate
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.terms import LogTerms


@pytest.mark.parametrize(
    ("kpis", "preference"),
    [
        (("interaction", "conversion"), (0.0, 0.0, 1.0)),
        (("conversion",), (0.0, 0.0, 1.0)),
        (("interaction",), (0.0, 1.0, 0.0)),
        ((), (1.0, 0.0, 0.0)),
    ],
)
def test_the_last_kpi_that_a_log_predicts_counts_alone(
    write_log: Callable[..., Path], kpis: tuple[str, ...], preference: tuple[float, ...]
) -> None:
    assert training_setting("", write_log(*kpis), 0).campaign.preference == preference


def test_terms_stand_in_place_of_the_default_on_a_log_and_on_a_preset(write_log: Callable[..., Path]) -> None:
    terms = LogTerms.model_validate({"preference": (0.4, 0.6, 0.0), "channel_caps": {"feed": 1.0}})
    setting = training_setting("", write_log("interaction"), 0, terms)
    assert setting.campaign.preference == (0.4, 0.6, 0.0)
    assert setting.campaign.channel_caps == {"feed": 1.0}
    assert (setting.campaign.budget, setting.campaign.conversion_value) == (5.0, 2.0)
    preset = training_setting("steady", None, 0, terms).campaign
    assert preset == terms.agreed(preset_campaign("steady")) != preset_campaign("steady")


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        (
            {"preference": (0.2, 0.3, 0.5)},
            ZeroIdealPoint,
            r"weighs conversion, which interaction has none of.*--preference.*has exposure, interaction",
        ),
        ({"channel_caps": {"radio": 1.0}}, UnknownChannel, "radio"),
        ({"min_roi": 0.1}, InfeasibleCampaign, "on interaction .* leave nothing to buy"),
        ({"max_cpa": 3.0}, InfeasibleCampaign, "on interaction .* leave nothing to buy"),
        ({"kpi_floors": (0.0, 1e9, 0.0)}, InfeasibleCampaign, "floor"),
    ],
)
def test_terms_that_the_log_cannot_meet_are_named(
    write_log: Callable[..., Path], asked: dict[str, Any], error: type[BidpilotError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        training_setting("", write_log("interaction"), 0, LogTerms.model_validate(asked))


def test_the_forecast_of_a_log_holds_what_its_campaigns_have_in_common(two_worths: Path) -> None:
    """Rates agree, worths are 2 and 8: rates, held at their mean. Asked for money, each day's are at its own."""
    setting = training_setting("", two_worths, 0)
    assert setting.carries is not None
    assert setting.carries.carries == "rates"
    assert setting.forecast.conversion_value == setting.campaign.conversion_value == 5.0
    in_money = training_setting("", two_worths, 0, carries="money")
    assert in_money.forecast.conversion_value is None
    for found, ratio in ((setting, 1.0), (in_money, 4.0)):
        level = found.forecast.history[:, :, 2].mean(axis=1)
        assert level[1::2].mean() / level[::2].mean() == pytest.approx(ratio, rel=0.1)
        days = found.market.days(np.random.default_rng(0).random((400, found.market.draws)))
        rate = days.value_scale[:, :, 0].mean(axis=1)
        assert rate[days.conversion_value == 2.0].mean() / rate[days.conversion_value == 8.0].mean() == pytest.approx(
            ratio, rel=0.2
        )
    assert training_setting("steady", None, 0).carries is None


@pytest.mark.parametrize("carries", ["rates", "money"])
def test_a_calibrated_market_carries_what_it_was_fitted_for(two_worths: Path, tmp_path: Path, carries: Carried) -> None:
    folder = tmp_path / "market"
    calibrate(load_log(two_worths), carries=carries).save(folder)
    setting = training_setting("", folder, 0)
    assert setting.carries is not None
    assert setting.carries.carries == carries
    assert setting.forecast.conversion_value == (5.0 if carries == "rates" else None)
    other: Carried = "money" if carries == "rates" else "rates"
    with pytest.raises(InvalidMarket, match=f"calibrated for {carries} to carry over, and {other} were"):
        training_setting("", folder, 0, carries=other)
