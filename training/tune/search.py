"""One agent's search: an Optuna study in SQLite, every trial a child run in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import optuna

from bidpilot.agents.learners.common.space import Space
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.tune.spaces import Settings, defaults, suggested

Score = Callable[[Settings], float]
"""Settings to interquartile mean of R / R* on the training days."""


@dataclass(frozen=True)
class Best:
    """What a search found."""

    settings: Settings
    ratio: float  # interquartile mean of R / R*
    untuned: float  # the same with the defaults


def search(
    agent: str,
    space: Space,
    score: Score,
    trials: int,
    seed: int,
    storage: str,
    parent: Run,
    experiment: str,
) -> Best:
    """Score `trials` settings, the defaults first, and return the best; earlier ones win ties.

    Args:
        agent: its name; the study is called `RUN/agent` after the parent run.
        space: what is searched.
        score: what is maximised.
        trials: how many settings are scored.
        seed: of the sampler (tree-structured Parzen estimator, Bergstra et al., NeurIPS 2011).
        storage: URL of the database of studies.
        parent: the run that the trials are children of.
        experiment: name of its experiment.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=f"{parent.run_id}/{agent}",
        storage=storage,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
    )
    study.enqueue_trial(defaults(space))

    def objective(trial: optuna.Trial) -> float:
        settings = suggested(trial, space)
        tags = {"mlflow.parentRunId": parent.run_id, "agent": agent}
        with open_run(experiment, f"{agent} {trial.number}", settings, tags, kind="trial", store=parent.store) as run:
            ratio = score(settings)
            run.log_metrics({"ratio_iqm": ratio}, 0)
            trial.set_user_attr("run", run.run_id)
        trial.set_user_attr("settings", settings)
        return ratio

    study.optimize(objective, n_trials=trials)
    best = study.best_trial
    assert best.value is not None
    assert study.trials[0].value is not None
    return Best(best.user_attrs["settings"], best.value, study.trials[0].value)
