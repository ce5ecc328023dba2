"""Where a policy trains: constraints of one's own campaign are priced, with a pool of campaigns and without one."""

from typing import Any

import pytest

from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.environment import training_ground


@pytest.mark.parametrize(
    ("asked", "priced"),
    [
        ({"randomise": False}, False),
        ({"randomise": False, "preference": (1.0, 0.0, 0.0)}, False),
        ({"randomise": False, "min_tail_share": 0.3}, True),
        ({"randomise": False, "channel_caps": {"feed": 1.0}}, True),
        ({"randomise": True}, True),
    ],
)
def test_missed_constraints_cost_where_a_campaign_may_have_some(asked: dict[str, Any], priced: bool) -> None:
    config = TrainConfig.model_validate({"market": "steady", "rows": 128, "pool": PoolConfig(size=4), **asked})
    setting = training_setting(config.market, None, 0, config)
    environment = training_ground(config, setting).environment(config)
    assert (environment.vector.prices is not None) == priced
    assert environment.vector.campaign == setting.campaign
