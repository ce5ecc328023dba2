"""The bands of a training run's bundle: learnt from days of the market that it was trained in, by whom it exports."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BidpilotError, InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.watch.bands import Bands
from bidpilot.training.alerts.play import learn_bands
from bidpilot.training.evaluation.of_run import agent_of_run
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.train.config import TrainConfig


def bands_of_run(agent: str, folder: Path, days: int, console: Console) -> Bands | None:
    """The bands of the days that an agent of a run plays in the run's own market; None where they cannot be learnt.

    Why they cannot is printed: the log is elsewhere now, or another version made the run.

    Args:
        agent: its name.
        folder: the run's artifacts `policy/`.
        days: training days to play; 0: none is asked for.
        console: where it says so.
    """
    if days == 0:
        return None
    described = json.loads((folder / "policy.json").read_text())
    try:
        setting = _setting(described)
        forecast, campaign = Forecast.load(folder / "forecast.npz"), Campaign.model_validate(described["campaign"])
        player = agent_of_run(agent, folder, described)
        return learn_bands(setting.market, forecast, campaign, days, int(described["config"]["seed"]), player)
    except (BidpilotError, ValidationError, KeyError, OSError) as error:
        why = f"no bands: the run's training days cannot be played again ({error}). A bid server will watch nothing."
        console.print(why, soft_wrap=True)
        return None


def _setting(described: dict[str, object]) -> Setting:
    config = TrainConfig.model_validate(described["config"])
    held_out = HoldOut(config.validation_share, config.hold_out)
    setting = training_setting(config.market, config.log, config.seed, config, held_out, config.carries)
    if setting.market.digest != described["market_digest"]:
        raise InvalidMarket("its market is another one now: the log, or how markets are made, has changed")
    return setting
