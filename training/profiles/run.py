"""`bidpilot profiles list`, `show` and `propose`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS, KpiProfile, named_profiles
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.solvers.allocation import allocate
from bidpilot.training.cli.config import changed
from bidpilot.training.profiles.config import ListConfig, ProposeConfig, ShowConfig
from bidpilot.training.profiles.effects import Effect, effects
from bidpilot.training.profiles.evidence import Evidence
from bidpilot.training.profiles.propose import Proposal, propose
from bidpilot.training.profiles.shown import print_profiles, print_proposal, weights_figure
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.setting.profiles import PLACE, find_profile, read_profiles, write_profile
from bidpilot.training.tracking import open_run


@dataclass(frozen=True)
class Proposed:
    """A proposal and what it would change; what the command found."""

    proposal: Proposal
    effects: tuple[Effect, ...]

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        present, proposed = (p.model_dump(mode="json") for p in (self.proposal.present, self.proposal.proposed))
        effects = [asdict(effect) | {"change": effect.change} for effect in self.effects]
        values = {name: value for name, value in vars(self.proposal).items() if name not in ("present", "proposed")}
        plain = {name: _plain(value) for name, value in values.items()}
        return plain | {"present": present, "proposed": proposed, "effects": effects}


def run_list(config: ListConfig) -> dict[str, KpiProfile]:
    """List the profiles of the package and of a file.

    Raises:
        InvalidConfig, InvalidProfile, InvalidPreference: the file's faults.
    """
    own = {} if config.file is None else read_profiles(config.file)
    profiles = named_profiles() | {f"{config.file}{PLACE}{name}": profile for name, profile in own.items()}
    print_profiles(profiles, Console())
    write_json(config.json_file, {name: profile.model_dump(mode="json") for name, profile in profiles.items()})
    return profiles


def run_show(config: ShowConfig) -> KpiProfile:
    """Show one profile.

    Raises:
        UnknownProfile: there is none of that name.
        InvalidConfig, InvalidProfile, InvalidPreference: the file's faults.
    """
    profile = find_profile(config.name, Path())
    print_profiles({config.name: profile}, Console())
    write_json(config.json_file, profile.model_dump(mode="json"))
    return profile


def run_propose(config: ProposeConfig) -> Proposed:
    """Propose new weights; print, draw, log and write them, and what they would change.

    Raises:
        TooLittleEvidence: too few days or orders, or none whose outcome is known.
        NotALog, DamagedLog, NoFilesMatched, UnreadableFile, EmptyLog: from the folder.
        UnknownProfile, InvalidConfig: the present profile is none.
    """
    console, present = Console(), _present(config)
    with waiting(console, f"reading {config.log}"):
        log, evidence = _read(config)
    with waiting(console, "weighing KPIs by orders"):
        found = proposed(log, evidence, present, config)
    proposal = found.proposal
    figure = weights_figure(proposal)
    name, tags = f"profiles propose {config.platform}", {"platform": config.platform}
    with open_run(config.experiment, name, changed(config), tags, kind="profile", config=config) as tracked:
        tracked.log_json(found.record(), "profile.json")
        weights = {f"preference/{change.name}": change.proposed for change in proposal.preference}
        tracked.log_metrics(weights | {"days": float(proposal.days), "orders": proposal.orders}, 0)
        tracked.log_figure(figure, "figures/weights.png")
    print_proposal(proposal, found.effects, console)
    write_json(config.json_file, found.record())
    write_figure(config.figure, figure)
    if config.out is not None:
        write_profile(config.out, config.platform, proposal.proposed)
        console.print(f"profile written to {config.out} as {config.platform}", soft_wrap=True)
    return found


def proposed(log: AuctionLog, evidence: Evidence, present: KpiProfile, config: ProposeConfig) -> Proposed:
    """The proposal on the forecast of a log, and what it would change there."""
    # Forecasts are made where campaigns are planned.
    from bidpilot.training.solve.forecast import recorded_ground

    forecast = recorded_ground(log).forecast
    campaign = Campaign(
        budget=config.budget or float(np.mean([day.budget for day in log.days])),
        conversion_value=float(np.mean([day.conversion_value for day in log.days])),
        preference=present.preference,
    )
    ideal = allocate(forecast, campaign).ideal
    proposal = propose(evidence, ideal, present, config.platform, config.least, config.seed)
    return Proposed(proposal, effects(forecast, campaign, proposal))


def _read(config: ProposeConfig) -> tuple[AuctionLog, Evidence]:
    """The log that is forecast from, and what is known of exposures."""
    if (config.log / MANIFEST_FILE).is_file():
        from bidpilot.envs.logs.storage import load_log

        log = load_log(config.log)
        return log, Evidence.of_log(log)
    from bidpilot.envs.logs.decisions import import_decisions
    from bidpilot.training.importing.run import reads_plain
    from bidpilot.training.roi.served import served_purchases

    plain = reads_plain(config.key_file)
    evidence = Evidence.of_purchases(served_purchases([config.log], config.campaigns, plain))
    log = import_decisions([config.log], plain=plain).log
    if config.campaigns:
        log = log.select_days([d for d, day in enumerate(log.days) if day.campaign in config.campaigns])
    return log, evidence


def _present(config: ProposeConfig) -> KpiProfile:
    if config.present is not None:
        return find_profile(config.present, Path())
    own = read_profiles(config.out) if config.out is not None and config.out.is_file() else {}
    usual = KpiProfile(weights=DEFAULT_WEIGHTS, preference=Campaign(budget=1.0).preference)
    return own.get(config.platform, usual)


def _plain(value: Any) -> Any:
    """Dataclasses and tuples as what JSON knows."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
