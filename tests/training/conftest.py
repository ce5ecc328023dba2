"""What tests of several folders of training use: a project folder of their own, and a ground that is made soon."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.worlds import worlds_market
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.generate import generate_log

_KEPT = 8_000_000  # auctions of drawn logs, some 300 MB


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, few_worlds: None) -> Iterator[Path]:
    """The working directory, empty, of a module's tests: one store for all of them, since making one takes seconds."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        yield folder


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, empty, with a store of runs of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The working directory, empty, with a store that all tests share that ask for this: making one takes seconds."""
    folder = tmp_path_factory.getbasetemp() / "one_store"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def drawn_once() -> Iterator[None]:
    """A market's log is drawn once for all tests here, of the same configuration from the same generator."""
    drawn = cache_of_logs(generate_log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bidpilot.envs.synthetic.market.generate_log", drawn)
        yield


def cache_of_logs(draw: Callable[..., AuctionLog]) -> Callable[..., AuctionLog]:
    """`generate_log` that keeps what was asked for last; a generator that it is given is not used again."""
    kept: OrderedDict[str, AuctionLog] = OrderedDict()

    def drawn(config: SyntheticConfig, rng: np.random.Generator, name: str) -> AuctionLog:
        key = f"{config.digest} {rng.bit_generator.state} {name}"
        if key not in kept:
            kept[key] = draw(config, rng, name)
        kept.move_to_end(key)
        while len(kept) > 1 and sum(log.n for log in kept.values()) > _KEPT:
            kept.popitem(last=False)
        return kept[key]

    return drawn


@pytest.fixture(scope="module")
def few_worlds() -> Iterator[None]:
    """Training has four worlds around a preset and not 192, whose logs take seconds to draw in every run."""
    with pytest.MonkeyPatch.context() as patch:

        def few(*args: Any, **asked: Any) -> MixedMarket:
            return worlds_market(*args, **{**asked, "worlds": 4})

        patch.setattr("bidpilot.training.train.environment.worlds_market", few)
        yield
