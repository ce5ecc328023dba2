"""The setting of a log: the preference that follows what it has, and what is refused before any run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import BidpilotError, InfeasibleCampaign, UnknownChannel, ZeroIdealPoint
from bidpilot.envs.markets.defaults import preset_campaign
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
