"""What tests of several folders of training use: a project folder of their own, and a ground that is made soon."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.worlds import worlds_market


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, empty, of a module's tests: one store for all of them, since making one takes seconds."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def few_worlds() -> Iterator[None]:
    """Training has four worlds around a preset and not 192, whose logs take seconds to draw in every run."""
    with pytest.MonkeyPatch.context() as patch:

        def few(*args: Any, **asked: Any) -> MixedMarket:
            return worlds_market(*args, **{**asked, "worlds": 4})

        patch.setattr("bidpilot.training.train.environment.worlds_market", few)
        yield
