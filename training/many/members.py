"""The campaigns of a folder: what each asks for, and what it is played on, which others share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.envs.logs.shards import SHARDS_FILE, Shards
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.setting.feasible import check_feasible
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.solve.files import PortfolioFile, read_file
from bidpilot.training.train.config import TrainConfig

_FILES: Final = (".yaml", ".yml")
_SHARE: Final = TrainConfig().validation_share

Weights = tuple[float, float, float, float, float] | None


@dataclass(frozen=True)
class Member:
    """One campaign of a folder."""

    name: str  # of its file or folder
    path: Path
    market: str | None  # preset that it is played on; None where it is a log's
    log: Path | None
    weights: Weights  # of interactions, where a KPI profile gives them
    campaign: Campaign | None  # None: the log's own
    digest: str  # of what it says

    @property
    def shares(self) -> str:
        """What names the market, or log, that members share with a policy."""
        return str(self.market) if self.log is None else str(self.log.resolve())

    def setting(self, seed: int) -> Setting:
        """Market, forecast and campaign; the first two are made once in a process.

        Raises:
            InvalidLog, InvalidMarket, ZeroIdealPoint, UnknownChannel, InfeasibleCampaign: it cannot be played.
        """
        if self.log is not None:
            found = _of_log(self.log)
            asked = found.campaign if self.campaign is None else self.campaign
        else:
            found, asked = _of_preset(str(self.market), self.weights, seed), self.campaign or Campaign(budget=1.0)
        check_feasible(self.name, found.forecast, asked)
        return replace(found, campaign=asked)

    def preset(self) -> SyntheticConfig:
        """The configuration of its preset, with its weights."""
        return _weighted(str(self.market), self.weights)


def members_of(folder: Path) -> list[Member]:
    """The campaigns of a folder, by name.

    Raises:
        InvalidConfig: there is no such folder or nothing in it, a file is a portfolio's, or two have one name.
        InvalidCampaign, UnknownProfile: a file's faults, with its name.
    """
    if not folder.is_dir():
        raise InvalidConfig(f"{folder} is no folder. Name one of campaign files, or of imported logs.")
    files = sorted(path for path in folder.iterdir() if path.suffix in _FILES)
    logs = sorted(path for path in folder.iterdir() if _manifests(path))
    found = [*(_of_file(path) for path in files), *(_log_member(path) for path in logs)]
    names = [member.name for member in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidConfig(f"two campaigns in {folder} are called {twice}. Rename one.")
    if not found:
        raise InvalidConfig(f"{folder} holds neither campaign files (.yaml) nor imported logs. Name one that does.")
    return found


def _of_file(path: Path) -> Member:
    file, profile = read_file(path)
    if isinstance(file, PortfolioFile):
        raise InvalidConfig(f"{path} is a portfolio: plan it by `bidpilot solve {path}`, and move it elsewhere.")
    weights = None if profile is None or file.log is not None else profile.weights.in_market_order()
    market = file.market if file.log is None else None
    says = f"{market} {file.log} {weights} {file.campaign.model_dump_json()}"
    if file.log is not None:
        says += _told(file.log)
    return Member(path.stem, path, market, file.log, weights, file.campaign, _digest(says))


def _log_member(path: Path) -> Member:
    return Member(path.name, path, None, path, None, None, _digest(_told(path)))


def _manifests(folder: Path) -> list[Path]:
    """The files that say what an imported log holds, one for each of its parts; none where the folder holds none."""
    if (folder / SHARDS_FILE).is_file():
        return [folder / part / MANIFEST_FILE for part in Shards.load(folder).parts]
    own = folder / MANIFEST_FILE
    return [own] if own.is_file() else []


def _told(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in _manifests(folder))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=32)
def _weighted(market: str, weights: Weights) -> SyntheticConfig:
    config = PRESETS[market]
    return config if weights is None else config.model_copy(update={"kpi_weights": weights})


@lru_cache(maxsize=4)
def _of_preset(market: str, weights: Weights, seed: int) -> Setting:
    config = _weighted(market, weights)
    forecast = synthetic_forecast(config, seed)
    campaign = Campaign(budget=config.budget, conversion_value=config.conversion_value)
    return Setting(market, synthetic_market(config, seeding.LOG_TRAINING, seed), forecast, campaign, None)


@lru_cache(maxsize=2)
def _of_log(folder: Path) -> Setting:
    return training_setting("", folder, 0, hold_out=HoldOut(_SHARE))
