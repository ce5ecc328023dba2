"""Evidence of a bid server's decision log: what was really bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.errors import InvalidIncident, UnknownIncident
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.decisions import REFUSED, WON
from bidpilot.envs.logs.outcomes import Plain
from bidpilot.serving.incidents.files import FOLDER, read_incidents
from bidpilot.serving.incidents.incident import Incident
from bidpilot.training.importing.run import reads_plain
from bidpilot.training.report.progress import Step
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.evidence import Array, Decision, Evidence
from bidpilot.training.reporting.readers.planned import day_of, planned
from bidpilot.training.reporting.words import number, percent, ratio, sentences
from bidpilot.training.roi.offered import Course, Offered
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.roi.served import served_purchases
from bidpilot.training.weekly.planned import campaigns_of, mean_terms
from bidpilot.training.weekly.weighed import Weighed

_READ: Final = (
    "campaign", "date", "slot", "slots", "time", "segment", "source", *KPI, "floor", "first_price", "bid", "result",
    "cost", "market_price", "budget", "conversion_value",
)  # fmt: skip
_REQUEST: Final = ("time", "source", "segment", "floor", *KPI)  # what all rows of one request share


def read(config: ReportConfig, step: Step) -> Evidence:
    """What a bid server bought, with the plan of its bundle and its incidents beside it where these are named.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn, UnknownCampaign, UnevenDays, NothingBought: from the log.
        InvalidBundle, BundleMismatch: from the bundle.
        UnknownIncident, InvalidIncident: from the incidents.
        InvalidKey: from the key's file.
    """
    folder, plain = Path(config.source), reads_plain(config.key_file)
    bundle = None if config.bundle is None else load_bundle(config.bundle)
    incidents = incidents_of(config.state, folder)
    step(f"reading the decisions of {folder}")
    purchases = served_purchases([folder], config.campaign, plain)
    rows = _rows(folder, config.campaign, plain)
    requests, several = requests_of(rows), rows["campaign"].n_unique() > 1
    evidence = Evidence(
        kind="decisions",
        title=f"What campaign{'s' * several} {purchases.name} bought, {_span(purchases)}",
        facts=_facts(rows, requests, purchases),
        notes=sentences(purchases.notes),
        purchases=purchases,
        events=_events(purchases),
        offered=_offered(requests, purchases.segments),
        course=_course(rows),
        incidents=incidents,
        decision=_decision(rows, bundle),
    )
    step("planning the campaign, and its front")
    return evidence if bundle is None else _with_plan(evidence, bundle, config)


def incidents_of(state: Path | None, decisions: Path) -> tuple[Incident, ...] | None:
    """The incidents of a state folder, or those beside the decisions; None where nobody kept any or was named.

    Raises:
        UnknownIncident: the state folder that was named is not there.
        InvalidIncident: one cannot be read.
    """
    if state is not None and not state.is_dir():
        raise UnknownIncident(f"{state} is no folder. Give the --state of the bid server.")
    folder = (decisions if state is None else state) / FOLDER
    if not folder.is_dir():
        return None if state is None else ()
    found, failed = read_incidents(folder)
    if failed:
        raise InvalidIncident(str(failed[0]))
    return tuple(found)


def _rows(folder: Path, campaigns: Sequence[str], plain: Plain) -> pl.DataFrame:
    rows = read_decision_rows(decision_files([folder]), _READ, plain)
    return rows.filter(pl.col("campaign").is_in(list(campaigns))) if campaigns else rows


def requests_of(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each request, of all that its campaigns have of it.

    A request that nobody bid on has a row of each campaign, and one that somebody bid on a row of each that refused it:
    the bid goes before a missed one, that before a refusal. No row names its request, so that rows of one moment, place
    and value are of one; two bids never are, nor two rows of one campaign.
    """
    if rows["campaign"].n_unique() < 2:
        return rows
    bids, refuses = pl.col("bid") > 0, pl.col("result").is_in(REFUSED)
    ranked = rows.with_columns(rank=pl.when(bids).then(0).when(refuses).then(2).otherwise(1))
    place = pl.int_range(pl.len())
    of_bids, of_campaign = place.over(bids, *_REQUEST), place.over("campaign", *_REQUEST)
    numbered = ranked.sort("rank", maintain_order=True).with_columns(
        nth=pl.when(bids).then(of_bids).otherwise(of_campaign)
    )
    return numbered.unique((*_REQUEST, "nth"), keep="first", maintain_order=True)


def _facts(rows: pl.DataFrame, requests: pl.DataFrame, purchases: Purchases) -> tuple[tuple[str, str], ...]:
    campaigns = sorted(set(rows["campaign"]))
    first = rows["first_price"]
    return (
        ("requests", number(requests.height)),
        ("decisions", number(rows.height)),
        ("campaigns", ", ".join(campaigns) if len(campaigns) <= 4 else f"{len(campaigns)}"),
        ("days", str(len(purchases.days))),
        ("slots a day", str(purchases.slots)),
        ("payment", "first price" if first.all() else "both prices" if first.any() else "second price"),
    )


def _span(purchases: Purchases) -> str:
    first, last = purchases.days[0], purchases.days[-1]
    return first if first == last else f"{first} to {last}"


def _events(purchases: Purchases) -> Array | None:
    if purchases.funnel is None:
        return None
    days = len(purchases.days)
    return np.stack([np.bincount(purchases.day, column, days) for column in purchases.funnel.T], axis=1)


def _offered(requests: pl.DataFrame, segments: tuple[str, ...]) -> Offered:
    refused = requests["result"].is_in(REFUSED)
    there = dict(requests.filter(~refused)["segment"].value_counts().iter_rows())
    sources, slots = int(requests["source"].max()) + 1, int(requests["slots"][0])  # type: ignore[arg-type]
    cell = (requests["source"].cast(pl.Int64) * slots + requests["slot"].cast(pl.Int64)).to_numpy()
    return Offered(
        by_segment=np.array([there.get(name, 0) for name in segments], np.int64),
        by_source=np.bincount(requests["source"].to_numpy(), minlength=sources),
        refused=np.bincount(cell[refused.to_numpy()], minlength=sources * slots).reshape(sources, slots),
        why=dict(requests["result"].value_counts().iter_rows()),
    )


def _course(rows: pl.DataFrame) -> Course:
    """How the money went, a row for each date and campaign that was served."""
    slots = int(rows["slots"][0])
    several = rows["campaign"].n_unique() > 1
    spent, labels = [], []
    for (date, campaign), day in rows.sort("date", "campaign").group_by("date", "campaign", maintain_order=True):
        cost = np.bincount(day["slot"].to_numpy(), day["cost"].to_numpy(), slots)
        budget = float(day.sort("time")["budget"][-1])
        spent.append(np.concatenate([[0.0], np.cumsum(cost)]) / budget)
        labels.append(f"{date}, {campaign}" if several else str(date))
    return Course(np.array(spent), None, tuple(labels))


def _decision(rows: pl.DataFrame, bundle: Bundle | None) -> Decision | None:
    """The dearest exposure that was won: what it was valued at, offered and paid."""
    won = rows.filter(pl.col("result") == WON)
    if not won.height:
        return None
    row = won.sort("cost", descending=True).row(0, named=True)
    facts = [
        ("predicted", ", ".join(f"{kpi} {number(row[kpi])}" for kpi in KPI)),
        ("segment, source", f"{row['segment']}, {row['source']}"),
        ("floor", number(row["floor"])),
        ("bid", number(row["bid"])),
        ("paid", number(row["cost"])),
        ("would have won from", "nobody told" if row["market_price"] is None else number(row["market_price"])),
    ]
    what = f"The dearest exposure that was won: campaign {row['campaign']}, {row['date']}, slot {row['slot']}."
    if bundle is None:
        return Decision(f"{what} What the plan would have bid is told with --bundle.", tuple(facts))
    parts = tuple((kpi, row[kpi] * a) for kpi, a in zip(KPI, bundle.manifest.plan.alpha, strict=True))
    planned_bid = sum(value for _, value in parts)
    facts.append(("the plan's bid", number(planned_bid)))
    facts.append(("bid over the plan's", percent(ratio(row["bid"], planned_bid))))
    return Decision(f"{what} The plan values each KPI at its coefficient; the policy bid what it saw fit.",
                    tuple(facts), parts)  # fmt: skip


def _with_plan(evidence: Evidence, bundle: Bundle, config: ReportConfig) -> Evidence:
    """The plan of the bundle for the money of these days; several campaigns have a plan each, and nothing in common."""
    course = evidence.course
    assert course is not None
    assert evidence.purchases is not None
    campaign, by_campaign = bundle.manifest.campaign, campaigns_of(evidence.purchases)
    evidence = replace(evidence, weighed=Weighed(campaign.preference, f"as bundle {bundle.manifest.name} does"))
    if len(by_campaign) > 1:
        day = day_of(bundle.forecast, campaign, evidence)
        text = f"Each of {len(by_campaign)} campaigns has a plan of its own. Name one of them: --campaign NAME."
        lacks = {**evidence.lacks, **dict.fromkeys(("constraints", "front", "plan"), text)}
        return replace(evidence, campaign=campaign, planned=day, lacks=lacks)
    (days,) = by_campaign.values()
    plan = planned(bundle.forecast, campaign.model_copy(update=mean_terms(days)), config.points, days[0].share)
    alike = plan.pace is not None and len(plan.pace) == course.spent.shape[1]
    course = replace(course, planned=plan.pace if alike else None)
    return plan.beside(replace(evidence, course=course))
