"""The bands that the game day's alerts hold slots against: of training days of `daily`, which `mpc` has played."""

from __future__ import annotations

import numpy as np

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import Slots
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.training.alerts.learn import learn
from bidpilot.training.evaluation.play import Arena

_DAYS = 600


def learned() -> Bands:
    """Of training days, none of which a game day plays."""
    market, campaign = preset_market(), preset_campaign()
    drawn = market.days(seeding.stream(seeding.TRAINING, 41).random((_DAYS, market.draws)))
    arena = Arena(market, preset_forecast(), campaign, drawn)
    slots = Slots(np.full(_DAYS, campaign.budget), market.slots)

    def watch(episode: Episode) -> None:
        slots.close(episode.totals)

    arena.play(controller_agent(MPC.name), watch=watch)
    return learn(slots)
