"""`bidpilot train-many`: every campaign of a folder planned, and who is to bid for it chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.ground import latest_learnt
from bidpilot.training.evaluation.names import CHOICE, CHOICE_WHY
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import run_jobs
from bidpilot.training.many.children import Children, key_of
from bidpilot.training.many.config import TrainManyConfig
from bidpilot.training.many.judging import Judged, JudgedRow, Judges
from bidpilot.training.many.members import Member, members_of
from bidpilot.training.report.many import many_plot, print_judged
from bidpilot.training.report.progress import steps
from bidpilot.training.tracking import Run, RunInfo, download, open_run, resolve_run
from bidpilot.training.tracking.learned import latest_run_of
from bidpilot.training.tracking.lineage import Lineage
from bidpilot.training.tracking.story import PARENT
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.many import Training, trained

KIND = "campaign"
"""Tag of the runs of campaigns."""
ROWS_FILE = "campaigns.json"

Policies = dict[str, tuple[str, NetworkPolicy]]
"""Run and policy, by what members share."""


def run(config: TrainManyConfig) -> str:
    """Plan and judge every campaign; print, draw, log and write the table; the run's id.

    Raises:
        InvalidConfig, InvalidCampaign, UnknownProfile: the folder's or a file's faults, before any work.
        RunNotFound: the policy that was named is none; InvalidConfig where it is of another preset.
    """
    members, backend, console = members_of(config.folder), config.spread(), Console()
    named = None if config.policy is None else resolve_run(config.policy)
    if named is not None:
        _check_named(named, members)
    name, params = f"train-many {config.folder.name}", changed(config, "days", "seed")
    with open_run(config.experiment, name, params, kind="train-many", config=config) as tracked:
        policies = _policies(config, members, named, backend, tracked, console)
        children = Children(tracked, KIND, config.experiment)
        rows = _judge(config, members, policies, backend, children, console)
        tracked.log_json(rows, ROWS_FILE)
        found = [row for row in rows if row["choice"] is not None]
        metrics = {"campaigns": len(rows), "faults": len(rows) - len(found)}
        metrics |= {"by_policy": sum(row["choice"] not in ("mpc", "adaptive") for row in found)}
        tracked.log_metrics(metrics, 0)
        if found:
            ratios = {row["campaign"]: (row["ratio"] or 0.0, row["vs_mpc"] or 0.0) for row in found}
            tracked.log_figure(many_plot(ratios, "on the days that judged"), "figures/campaigns.png")
    print_judged(rows, console)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(rows, indent=1) + "\n")
    console.print(f"held-out days: bidpilot evaluate-many {config.folder}", soft_wrap=True)
    return tracked.run_id


def _check_named(named: RunInfo, members: Sequence[Member]) -> None:
    """Refuse a policy that campaigns of other presets would share.

    Raises:
        InvalidConfig: it was trained on a log, or on another preset than that of a campaign.
    """
    if Lineage.of(named).log is not None:
        raise InvalidConfig(f"run {named.told} was trained on a log; --policy names one of a preset.")
    learnt = named.tags.get("setting", "a preset that it does not say")
    others = [member for member in members if member.log is None and member.market != learnt]
    if others:
        names, presets = ", ".join(m.name for m in others), ", ".join(sorted({str(m.market) for m in others}))
        raise InvalidConfig(
            f"run {named.told} was trained on {learnt}, and {names} are played on {presets}. Name a run on that "
            "preset, give campaigns of other presets a folder of their own, or leave --policy out."
        )


def _policies(
    config: TrainManyConfig,
    members: Sequence[Member],
    named: RunInfo | None,
    backend: Backend,
    tracked: Run,
    console: Console,
) -> Policies:
    """A policy for each market and log: the one that is named, the last that fits, or one that is trained now."""
    first = {member.shares: member for member in members}
    runs: dict[str, str] = {}
    missing = []
    for shares, member in first.items():
        run = named if named is not None and member.log is None else _latest(member, config)
        if run is not None:
            runs[shares] = run.run_id
        elif config.train:
            missing.append(shares)
    trainings = [_training(first[shares], config, tracked) for shares in missing]
    for place, run_id in trained(trainings, backend):
        runs[missing[place]] = run_id
    for shares, run_id in runs.items():
        made = "trained now" if shares in missing else "taken"
        console.print(f"policy of {first[shares].market or first[shares].name}: run {run_id}, {made}", soft_wrap=True)
    return {shares: (run_id, _policy(run_id)) for shares, run_id in runs.items()}


def _training(member: Member, config: TrainManyConfig, tracked: Run) -> Training:
    where = {"market": member.market} if member.log is None else {"log": member.log}
    asked = {"seed": config.seed, "total_steps": config.total_steps, "experiment": config.experiment, "verdict_days": 0}
    return Training(TrainConfig.model_validate({**where, **asked}), tags={PARENT: tracked.run_id})


def _latest(member: Member, config: TrainManyConfig) -> RunInfo | None:
    """The last training of the member's preset or log that this version can play."""
    try:
        if member.log is None:
            latest = latest_learnt(None, config.experiment, None, [str(member.market)])
            return latest if latest.tags.get("setting") == member.market else None
        digest = member.setting(config.seed).reference_log
        tags = {"log_digest": "none" if digest is None else digest.digest, "held_out": "none"}
        return latest_run_of(None, config.experiment, tags)
    except RunNotFound:
        return None


def _policy(run_id: str) -> NetworkPolicy:
    folder = download(run_id, "policy")
    return NetworkPolicy.load(folder / "policy.npz", learner_of(json.loads((folder / "policy.json").read_text())))


def _judge(
    config: TrainManyConfig,
    members: Sequence[Member],
    policies: Policies,
    backend: Backend,
    children: Children,
    console: Console,
) -> list[JudgedRow]:
    """A row for each campaign, in their order; those of earlier calls that did the same are taken."""
    runs = {shares: run for shares, (run, _) in policies.items()}
    keys = [key_of(m.digest, m.name, runs.get(m.shares), config.days, config.seed) for m in members]
    before = {} if config.fresh else children.before(keys)
    rows: dict[str, JudgedRow] = {m.name: before[key][1] for m, key in zip(members, keys, strict=True) if key in before}
    if rows:
        console.print(f"{len(rows)} of {len(members)} campaigns are taken from earlier calls")
    missing = [place for place, member in enumerate(members) if member.name not in rows]
    work = Judges(policies, config.days, config.seed)
    with steps(console, len(missing)) as step:
        for place, judged in run_jobs([members[k] for k in missing], work, backend):
            member, key = members[missing[place]], keys[missing[place]]
            children.keep(member, key, judged.row, _tags(judged.row), _metrics(judged.row), _files(judged))
            rows[member.name] = judged.row
            step(f"judged {member.name}")
    return [rows[member.name] for member in members]


def _tags(row: JudgedRow) -> dict[str, object]:
    return {CHOICE: row["choice"] or "none", CHOICE_WHY: row["why"], "source_run": row["policy"] or "none"}


def _metrics(row: JudgedRow) -> dict[str, float]:
    told = {"planned/spend": row["spend"], "judged/ratio_iqm": row["ratio"], "judged/ratio_vs_mpc": row["vs_mpc"]}
    told |= {f"planned/{kpi}": row[kpi] for kpi in ("exposure", "interaction", "conversion")}
    return {name: value for name, value in told.items() if value is not None}


def _files(judged: Judged) -> Mapping[str, object]:
    return {} if judged.plan is None else {"plan.json": judged.plan}
