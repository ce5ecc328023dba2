"""`bidpilot ablate`: training with one part left out at a time, over seeds and suites, beside the controllers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bidpilot.agents.acting.controllers import ADAPTIVE
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.training.ablate.catalogue import FULL, Variant, named_variants
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.ablate.jobs import KIND, Job, jobs
from bidpilot.training.ablate.markdown import Ablation, markdown
from bidpilot.training.ablate.parts import PARTS, Without
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.catalogue import EVERY, SuiteRecord
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.names import REFERENCES
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.record import Record
from bidpilot.training.evaluation.rows import agent_rows, pair_rows
from bidpilot.training.evaluation.suites import named_suites, synthetic_suite
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.report.differences import difference_map
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import AgentRow, PairRow, print_tables
from bidpilot.training.tracking import Run, download, find_run, open_run
from bidpilot.training.tracking.story import PARENT, listed
from bidpilot.training.train.many import Training, trained

_SEED = 0  # of the suites' days and of the bootstrap, as in `bidpilot evaluate`


def run(config: AblateConfig) -> str:
    """Train what is not trained yet, play everything, print and write the tables; the run's id.

    Raises:
        UnknownVariant, UnknownSuite, InvalidConfig: before anything is trained.
    """
    variants, backend = named_variants(config.variants), config.spread()
    records = named_suites(config.suites, (EVERY,))
    wanted = jobs(variants, config)
    console = Console()
    name = f"ablation of {config.learner} {listed([record.name for record in records], 'suites')}"
    with open_run(config.experiment, name, changed(config), kind="ablation", config=config) as tracked:
        runs = _train(wanted, config, tracked, backend, console)
        contestants: list[Contestant | Without] = [Contestant(name) for name in REFERENCES]
        if config.parts:
            contestants += [Contestant(ADAPTIVE.name), *(Without(name) for name in PARTS)]
        contestants += [_contestant(v, wanted, runs) for v in variants]
        agents, pairs = _play(records, contestants, variants, config.days, Record(tracked, "ablation.json"), console)
        names = {contestant.name for contestant in contestants}
        whole = [row for row in agents if row["agent"] in names]
        text = markdown(Ablation(config, variants, agents, pairs))
        rows: list[AgentRow | PairRow] = [*agents, *pairs]
        tracked.log_text(text, "ablation.md")
        beside = [pair for pair in pairs if pair["against"] == REFERENCES[0]]
        tracked.log_figure(difference_map(beside), "figures/ablation.png")
    print_tables(whole, pairs, console)
    _write(config, rows, text, console)
    return tracked.run_id


def _train(
    wanted: Sequence[Job], config: AblateConfig, tracked: Run, backend: Backend, console: Console
) -> dict[str, str]:
    """Run ids by the name of the training; finished trainings are taken, and the others are trained."""
    found = {} if config.fresh else {job.config.run_name: job.finished() for job in wanted}
    runs: dict[str, str] = {}
    missing = []
    for job in wanted:
        name, info = str(job.config.run_name), found.get(job.config.run_name)
        if info is None:
            missing.append(job)
        else:
            runs[name] = info.run_id
            commit = info.tags.get("git.commit", "unknown")[:7]
            console.print(f"{name}: taken from run {info.run_id}, commit {commit}", soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("trainings", total=len(wanted), completed=len(runs))
        trainings = [Training(job.config, KIND, {PARENT: tracked.run_id, **job.tags}) for job in missing]
        for place, run_id in trained(trainings, backend):
            job = missing[place]
            runs[str(job.config.run_name)] = run_id
            best = find_run(run_id).metrics["validation/best_ratio_iqm"]
            progress.update(task, advance=1)
            told = f"{job.config.run_name}: R / R* {best:.4f} on validation days, run {run_id}"
            progress.console.print(told, soft_wrap=True)
    return runs


def _contestant(variant: Variant, wanted: Sequence[Job], runs: Mapping[str, str]) -> Contestant:
    """The variant as one agent over its seeds; a single one has no row of its own."""
    ids = [runs[str(job.config.run_name)] for job in wanted if job.variant is variant]
    rows = [f"{variant.name}@{run_id}" for run_id in ids] if len(ids) > 1 else [variant.name]
    policies = {
        row: NetworkPolicy.load(download(run_id, "policy") / "policy.npz", row)
        for row, run_id in zip(rows, ids, strict=True)
    }
    return Contestant(variant.name, policies, tuple(ids))


def _play(
    records: Sequence[SuiteRecord],
    contestants: Sequence[Contestant | Without],
    variants: Sequence[Variant],
    days: int,
    record: Record,
    console: Console,
) -> tuple[list[AgentRow], list[PairRow]]:
    """Rows of every agent and every training, and the pairs that are asked about, suite by suite."""
    agents: list[AgentRow] = []
    pairs: list[PairRow] = []
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    asked = {(v.name, against) for v in variants for against in (REFERENCES[0], FULL, v.beside)}
    asked |= {(ADAPTIVE.name, REFERENCES[0]), *((name, ADAPTIVE.name) for name in PARTS)}
    for entry in records:
        suite = synthetic_suite(entry, days, _SEED)
        outcomes: dict[str, Outcome] = {}
        with steps(console, len(contestants)) as step:
            for contestant in contestants:
                step(f"playing {contestant.name} on {suite.name}")
                outcomes |= contestant.play(suite)
        found = agent_rows(suite, outcomes, seeds, _SEED)
        whole = {contestant.name: outcomes[contestant.name] for contestant in contestants}
        paired = [row for row in pair_rows(suite, whole, _SEED) if (row["agent"], row["against"]) in asked]
        record.suite(suite, [c for c in contestants if isinstance(c, Contestant)], outcomes, found, paired)
        agents += found
        pairs += paired
    return agents, pairs


def _write(config: AblateConfig, rows: Sequence[AgentRow | PairRow], text: str, console: Console) -> None:
    contents = {config.json_file: json.dumps(rows, indent=1) + "\n", config.out: text}
    for path, content in contents.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            console.print(f"written to {path}", soft_wrap=True)
