"""Which options a run's parameters show."""

from bidpilot.training.cli.config import changed
from bidpilot.training.train.config import TrainConfig


def test_what_is_not_at_its_default_is_shown_and_what_is_asked_for_whatever_it_is() -> None:
    asked = {"seed": 3, "ppo": {"net": (8, 8)}, "channel_caps": {"feed": 3.0}, "run_name": "mine", "log": "logs/a"}
    config = TrainConfig.model_validate(asked)
    own = {"seed": 3, "ppo.net": "8 8", "channel_caps.feed": 3.0, "log": "logs/a"}
    assert changed(config) == own  # where a run is kept is none of what it is
    assert changed(config, "learner", "seed") == own | {"learner": "ppo"}
    assert changed(TrainConfig()) == {}
