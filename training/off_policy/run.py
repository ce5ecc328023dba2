"""`bidpilot off-policy estimate`: what a candidate bundle would have brought on served days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.console import Console

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import load_bundle
from bidpilot.training.cli.config import changed
from bidpilot.training.experiments.arms import Arm
from bidpilot.training.importing.run import reads_plain
from bidpilot.training.off_policy.candidate import Candidate, Days, estimated_days
from bidpilot.training.off_policy.config import EstimateConfig
from bidpilot.training.off_policy.overlap import TooLittleOverlap
from bidpilot.training.off_policy.rows import estimate_rows
from bidpilot.training.off_policy.served import ServedLog, read_served
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.off_policy import OffPolicyRow, estimate_figure, estimate_table
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import open_run

ESTIMATED, REFUSED = "estimated", "refused"


def run(config: EstimateConfig) -> list[OffPolicyRow]:
    """Estimate, print, draw, log and write; or refuse, after that has been printed, logged and written.

    Raises:
        TooLittleOverlap: the candidate does what the log has too little of.
        NotEstimable: the log cannot tell, whatever the candidate.
        InvalidBundle, BundleMismatch: from the bundle.
        InvalidExperiment: the file of an experiment beside the log cannot be read.
        NoFilesMatched, UnreadableFile, MissingColumn: from the log.
    """
    console = Console()
    bundle = load_bundle(config.bundle)
    served = read_served(config.log, config.campaign, reads_plain(config.key_file))
    forecast = replace(bundle.forecast, auctions=bundle.forecast.auctions * served.share)
    candidate = Candidate(forecast, bundle.manifest.campaign, Arm(bundle.manifest.name, agent_of(bundle)))
    with waiting(console, f"estimating {candidate.arm.name} on {len(served.dates)} days of {served.name}"):
        rng = np.random.default_rng(config.seed)
        found = estimated_days(served, candidate, rng, config.copies, config.most_weight)
    refusal = None
    try:
        found.overlap.check(config.most_beyond, config.least_effective)
    except TooLittleOverlap as error:
        refusal = error
    rows = [] if refusal else estimate_rows(served, found, candidate.campaign, config.doubt)
    _tell(config, rows, (served, found, refusal), console)
    if refusal is not None:
        raise refusal
    return rows


def _tell(
    config: EstimateConfig,
    rows: list[OffPolicyRow],
    of: tuple[ServedLog, Days, TooLittleOverlap | None],
    console: Console,
) -> None:
    served, found, refusal = of
    overlap = found.overlap
    record = {
        "verdict": REFUSED if refusal else ESTIMATED,
        "why": None if refusal is None else str(refusal),
        "days": overlap.days,
        "beyond": overlap.beyond,
        "outside": overlap.outside,
        "effective": overlap.effective,
        "rows": rows,
    }
    tags = {"verdict": record["verdict"]}
    name = f"off-policy {config.bundle.name}"
    with open_run(config.experiment, name, changed(config), tags, kind="off-policy", config=config) as tracked:
        tracked.log_metrics({"overlap/beyond": overlap.beyond, "overlap/effective": overlap.effective}, 0)
        tracked.log_json(record, "estimate.json")
        if rows:
            tracked.log_metrics(
                {f"change/{row['metric']}": row["change"] for row in rows if row["change"] is not None}, 0
            )
            tracked.log_figure(estimate_figure(rows), "figures/off_policy.png")
    explored = "explored" if len(served.tries.shares) > 1 else "not explored"
    console.print(
        f"{overlap.days} days, {len(served.won):,} auctions, {explored}: {overlap.outside:.1%} of the candidate's bids "
        f"and {overlap.beyond:.1%} of its wins are above every bid that might have been made; {overlap.effective:.1%} "
        "of the auctions tell of it, by weight",
        soft_wrap=True,
    )
    if rows:
        print_table(estimate_table(rows, f"{config.bundle.name} on {served.name}"), console)
        write_figure(config.figure, estimate_figure(rows))
        console.print("next: bidpilot ab plan, and an experiment, where the change is worth one")
    write_json(config.json_file, record)
