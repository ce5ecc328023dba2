"""The policy bundle: a folder that holds all that serving needs of a run, checked before any of it is used.

manifest.json   what the bundle is, with the checksum of every other file; a file that it does not list is not read
forecast.npz    bid landscape, demand and levels of training days, from which the plan is made
golden.json     a day of inputs and outputs of the agent, which every reader must reproduce slot after slot; the inputs
                are the features that the manifest names, in its order
network.npz     weights of a policy network, and the names of the features that it reads (absent where the agent is a
                controller)
bands.npz       what the slots of training days were like, which a live day is watched by (absent where none was learnt,
                and in older bundles)
policy.onnx     the policy in portable form, for other runtimes: base and clip included, described in its metadata

A bundle names the features that its agent reads, and a reader gives it those by name: a later version may observe more
of them, in another order. It may not have taken one away, renamed it or given it another range.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import declared, observation_of, strange
from bidpilot.bidding.errors import BundleMismatch, InvalidBands, InvalidBundle, InvalidLandscape
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.sealed_files import MOST_MANIFEST, check_arrays, read_arrays, read_bytes, read_listed, read_object
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.zone import Cut

SCHEMA_VERSION = 2
MANIFEST_FILE, FORECAST_FILE, GOLDEN_FILE = "manifest.json", "forecast.npz", "golden.json"
NETWORK_FILE, ONNX_FILE, BANDS_FILE = "network.npz", "policy.onnx", "bands.npz"
PARITY = 1e-5
"""Largest difference of an action's entry between what trained and what reads the bundle."""
_PLAN_TOLERANCE = 1e-6  # relative, of the plan's coefficients
_REMEDY = "Export the run again with this version of bidpilot, or serve with the version that wrote it."


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FeatureEntry(_Entry):
    """One feature that the agent reads."""

    name: str = Field(description="its name in the observation")
    low: float = Field(description="least value, dimensionless")
    high: float = Field(description="largest value, dimensionless")


class ControllerEntry(_Entry):
    """A controller by its parameters."""

    name: str = Field(description="name in bidpilot.agents.acting.controllers")
    parameters: dict[str, float] = Field(description="its gains")


class AgentEntry(_Entry):
    """What decides: a network, a controller, or a network whose action is added to a controller's."""

    name: str = Field(min_length=1, description="the name it is compared under")
    kind: Literal["network", "controller"] = Field(description="what the decision comes from")
    controller: ControllerEntry | None = Field(None, description="the controller, or the base of a residual policy")
    reach: float = Field(1.0, gt=0, le=1, description="share of the network's action that is added to the base's")


class PlanEntry(_Entry):
    """The plan of the default campaign, in numbers that a reader must find again."""

    ideal: tuple[float, float, float] = Field(description="ideal point z, each KPI's own unit")
    alpha: tuple[float, float, float] = Field(description="reference coefficients, currency per unit of KPI")
    shadow_price: float = Field(description="lambda, utility per unit of budget")
    utility: float = Field(description="utility of the plan's expected totals")
    spend: tuple[float, ...] = Field(description="(T + 1,) expected cumulative spend, currency")


class Origin(_Entry):
    """Where the bundle comes from."""

    run_id: str = Field(description="MLflow run that trained the agent or fitted the forecast")
    setting: str = Field(description="preset or log that it was trained on")
    market_digest: str = Field(description="digest of that market")
    targets: Literal["recorded", "campaign", "none"] | None = Field(
        None,
        description="whose target costs its days had: each its own, so that the campaign's is their mean; the "
        "campaign's; or none. None where a bundle of before does not say",
    )
    publishers: bool = Field(
        False,
        description="whether its sources are clusters of publishers as a bid server tells them apart: a log's are, a "
        "preset's are nobody's",
    )
    timezone: str | None = Field(
        None, description="IANA name of the time zone in which the days of its log were cut; None: of none"
    )
    day_starts: int = Field(0, ge=0, le=23, description="hour of the wall's clock there at which these days begin")
    metrics: dict[str, float] = Field(description="last metrics of the run")
    tags: dict[str, str] = Field(
        description="commit and package versions of the run; whom it chose to be exported, and why"
    )
    created: str = Field(description="time of the export, ISO 8601, UTC")

    @property
    def cut(self) -> Cut | None:
        """Where the days of its forecast begin; None: in no time zone."""
        return None if self.timezone is None else Cut(self.timezone, self.day_starts)


class Manifest(_Entry):
    """Everything of a bundle that is not an array."""

    schema_version: int = Field(description="layout of the folder")
    name: str = Field(min_length=1, description="name of the bundle")
    features: tuple[FeatureEntry, ...] = Field(min_length=1, description="what the agent reads of an observation")
    action: tuple[str, ...] = Field(description="meaning of each entry of the action")
    segments: tuple[str, ...] = Field(min_length=1, description="channel/tier of each segment")
    slots: int = Field(ge=1, description="slots per day, T")
    campaign: Campaign = Field(description="campaign that is served where none is named")
    plan: PlanEntry = Field(description="plan of that campaign")
    agent: AgentEntry = Field(description="what decides")
    initial_state: dict[str, float | tuple[float, ...]] = Field(
        description="what the agent remembers at the start of a day: a number, or one for each unit of a network"
    )
    origin: Origin = Field(description="where it comes from")
    checksums: dict[str, str] = Field(description="SHA-256 of every other file of the bundle, hex")

    @field_validator("features")
    @classmethod
    def _each_once(cls, features: tuple[FeatureEntry, ...]) -> tuple[FeatureEntry, ...]:
        if len({f.name for f in features}) < len(features):
            raise ValueError("a feature is named twice")
        return features


class _VersionOnly(BaseModel):
    schema_version: int


@dataclass(frozen=True)
class Golden:
    """One row's day as the agent saw and answered it: K slots in order, from the start of a day."""

    observations: NDArray[np.float32]  # (K, R) the R features that the agent reads
    actions: NDArray[np.float64]  # (K, 3 + S)


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, checked."""

    manifest: Manifest
    forecast: Forecast
    golden: Golden
    network: Mapping[str, NDArray[Any]]  # as agents/acting/policy.py stores a policy's; {} if none
    bands: Bands | None = None  # that days are watched by
    digest: str = ""  # SHA-256 of its manifest, hex: with the checksums in it, of the whole bundle

    def observation(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """An observation (B, F) of this version from values (B, R) of the manifest's features, others not a number."""
        names = [feature.name for feature in self.manifest.features]
        return observation_of(values, names, len(self.manifest.segments))


def feature_entries(names: Sequence[str], segments: int) -> tuple[FeatureEntry, ...]:
    """The features of these names, as this version observes them over `segments` segments."""
    ours = declared(segments)
    return tuple(FeatureEntry(name=name, low=ours[name].low, high=ours[name].high) for name in names)


def action_meaning(segments: tuple[str, ...]) -> tuple[str, ...]:
    """What each entry of an action moves."""
    return ("scale", "interaction tilt", "conversion tilt", *(f"multiplier of {s}" for s in segments))


def plan_entry(forecast: Forecast, campaign: Campaign) -> PlanEntry:
    """The plan of one campaign."""
    plan, index = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))
    row = int(index[0])
    return PlanEntry(
        ideal=_triple(plan.ideal[row]),
        alpha=_triple(plan.alpha[row]),
        shadow_price=float(plan.shadow_price[row]),
        utility=float(plan.utility[row]),
        spend=tuple(float(v) for v in plan.spend[row]),
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_golden(folder: Path, golden: Golden) -> None:
    """Write `golden.json`; numbers in full, so that they read back as they are."""
    text = {"observations": golden.observations.astype(float).tolist(), "actions": golden.actions.tolist()}
    (folder / GOLDEN_FILE).write_text(json.dumps(text, allow_nan=False))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` with the checksums of every file that is there: it comes last."""
    files = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != MANIFEST_FILE)
    sealed = manifest.model_copy(update={"checksums": {name: checksum(folder / name) for name in files}})
    (folder / MANIFEST_FILE).write_text(sealed.model_dump_json(indent=1) + "\n")


def load_bundle(folder: str | Path) -> Bundle:
    """Read a bundle, and refuse what is not whole or does not fit.

    The agent is made, its network checked and held against the golden outputs, by
    `bidpilot.agents.acting.from_bundle.agent_of`.

    Raises:
        InvalidBundle: no manifest, a file missing or altered, arrays that do not fit together.
        BundleMismatch: another schema version, features that this version does not observe, or another plan than it
            makes.
    """
    folder = Path(folder)
    text = _manifest_bytes(folder)
    manifest = _parse_manifest(folder, text)
    needed = [FORECAST_FILE, GOLDEN_FILE] + [NETWORK_FILE] * (manifest.agent.kind == "network")
    wanted = [*needed, *(name for name in (BANDS_FILE,) if name in manifest.checksums)]
    unlisted = set(needed) - set(manifest.checksums)
    if unlisted:
        raise InvalidBundle(f"{folder}: the manifest has no checksum of {', '.join(sorted(unlisted))}. {_REMEDY}")
    files = read_listed(folder, manifest.checksums, wanted)
    _check_features(manifest)
    forecast = _read_forecast(folder / FORECAST_FILE, files[FORECAST_FILE])
    if forecast.segments != manifest.segments or forecast.slots != manifest.slots:
        raise InvalidBundle(f"{folder}: the forecast's segments or slots are not the manifest's. {_REMEDY}")
    _check_plan(manifest, forecast)
    size = action_size(len(manifest.segments))
    network = _read_network(folder / NETWORK_FILE, files[NETWORK_FILE]) if NETWORK_FILE in files else {}
    golden = _read_golden(folder / GOLDEN_FILE, files[GOLDEN_FILE], len(manifest.features), size)
    bands = _read_bands(folder / BANDS_FILE, files[BANDS_FILE], manifest.slots) if BANDS_FILE in files else None
    return Bundle(manifest, forecast, golden, network, bands, hashlib.sha256(text).hexdigest())


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`; the version is looked at first, so that a later layout is named as such.

    Raises:
        InvalidBundle: there is none, or it cannot be read.
        BundleMismatch: another schema version.
    """
    return _parse_manifest(folder, _manifest_bytes(folder))


def _manifest_bytes(folder: Path) -> bytes:
    try:
        return read_bytes(folder, MANIFEST_FILE, MOST_MANIFEST)
    except InvalidBundle as error:
        raise InvalidBundle(f"{folder} is no policy bundle ({error}). Make one with `bidpilot export`.") from error


def _parse_manifest(folder: Path, text: bytes) -> Manifest:
    path = folder / MANIFEST_FILE
    try:
        version = _VersionOnly.model_validate_json(text).schema_version
        if version != SCHEMA_VERSION:
            raise BundleMismatch(
                f"{folder} has schema version {version}; this version reads {SCHEMA_VERSION}. {_REMEDY}"
            )
        read_object(text)
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidBundle(f"{path} cannot be read ({where}: {first['msg']}). {_REMEDY}") from error
    except ValueError as error:
        raise InvalidBundle(f"{path} cannot be read ({error}). {_REMEDY}") from error


def _check_features(manifest: Manifest) -> None:
    other = strange({f.name: (f.low, f.high) for f in manifest.features}, len(manifest.segments))
    if other:
        raise BundleMismatch(f"the bundle's agent reads what this version does not observe: {other}. {_REMEDY}")


def _check_plan(manifest: Manifest, forecast: Forecast) -> None:
    found = plan_entry(forecast, manifest.campaign)
    if not np.allclose(found.alpha, manifest.plan.alpha, rtol=_PLAN_TOLERANCE, atol=0.0):
        raise BundleMismatch(
            f"this version plans the bundle's campaign with alpha {found.alpha}, the bundle says "
            f"{manifest.plan.alpha}: the planner has changed. {_REMEDY}"
        )


def _read_forecast(path: Path, data: bytes) -> Forecast:
    try:
        check_arrays(data)
        return Forecast.load(path, data)
    except (InvalidLandscape, ValueError) as error:
        raise InvalidBundle(f"{path} cannot be used ({error}). {_REMEDY}") from error


def _read_bands(path: Path, data: bytes, slots: int) -> Bands:
    try:
        check_arrays(data)
        bands = Bands.load(path, data)
    except (InvalidBands, ValueError) as error:
        raise InvalidBundle(f"{path} cannot be used ({error}). {_REMEDY}") from error
    if bands.slots != slots:
        raise InvalidBundle(f"{path} is of days with {bands.slots} slots, the manifest says {slots}. {_REMEDY}")
    return bands


def _read_network(path: Path, data: bytes) -> dict[str, NDArray[Any]]:
    try:
        return read_arrays(data)
    except ValueError as error:
        raise InvalidBundle(f"{path} is no policy network ({error}). {_REMEDY}") from error


def _read_golden(path: Path, text: bytes, features: int, size: int) -> Golden:
    try:
        data = read_object(text)
        observations = np.asarray(data["observations"], np.float32)
        actions = np.asarray(data["actions"], np.float64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InvalidBundle(f"{path} holds no golden outputs ({error}). {_REMEDY}") from error
    rows = observations.shape[0] if observations.ndim else 0
    if rows == 0 or observations.shape != (rows, features) or actions.shape != (rows, size):
        raise InvalidBundle(
            f"{path} has observations {observations.shape} and actions {actions.shape}; {features} features and "
            f"{size} entries are needed. {_REMEDY}"
        )
    return Golden(observations, actions)
