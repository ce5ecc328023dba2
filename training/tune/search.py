"""Searches: Optuna studies in SQLite, which a later call goes on with; trials may be child runs in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from bidpilot.agents.learners.common.space import Space
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.tune.progress import TrialProgress
from bidpilot.training.tune.spaces import Settings, defaults, suggested

Score = Callable[[Settings], float]
"""Settings to interquartile mean of R / R* on the training days."""


@dataclass(frozen=True)
class Best:
    """What a search found."""

    settings: Settings
    ratio: float  # interquartile mean of R / R*
    untuned: float  # the same with the defaults


@dataclass(frozen=True)
class Search:
    """Where searches are kept, and how long they are.

    Args:
        trials: how many settings are scored.
        seed: of the sampler (tree-structured Parzen estimator, Bergstra et al., NeurIPS 2011).
        storage: URL of the database of studies.
        parent: the run that the searches belong to; a study is called `RUN/NAME` after it.
        experiment: name of its experiment.
        progress: is told of every trial.
    """

    trials: int
    seed: int
    storage: str
    parent: Run
    experiment: str
    progress: TrialProgress

    def best(self, name: str, space: Space, score: Score, agent: str | None = None) -> Best:
        """Score the settings that the study `name` still lacks, the defaults first; the best, earlier ones win ties.

        The sampler of every trial is seeded by its place, so that a search that was stopped finds what it would have
        found. Where an `agent` is named its trials are child runs in MLflow.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name=f"{self.parent.run_id}/{name}", storage=self.storage, direction="maximize", load_if_exists=True
        )
        _give_up_stopped(study)
        done = len(_complete(study))
        known = [trial.value for trial in _complete(study) if trial.value is not None]
        self.progress.begin(name, done, max(known, default=None), each=agent is not None)
        if done == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(defaults(space))
        for place in range(done, self.trials):
            study.sampler = optuna.samplers.TPESampler(seed=_seed(self.seed, place))
            study.optimize(lambda trial: self._play(trial, space, score, agent), n_trials=1)
            self.progress.scored(place, study.get_trials(deepcopy=False)[-1].values[0])
        trials = _complete(study)
        best = max(trials, key=lambda trial: (trial.value, -trial.number))
        assert best.value is not None
        assert trials[0].value is not None
        return Best(best.user_attrs["settings"], best.value, trials[0].value)

    def _play(self, trial: optuna.Trial, space: Space, score: Score, agent: str | None) -> float:
        settings = suggested(trial, space)
        if agent is None:
            ratio = score(settings)
        else:
            tags = {"mlflow.parentRunId": self.parent.run_id, "agent": agent}
            name, store = f"{agent} {trial.number}", self.parent.store
            with open_run(self.experiment, name, settings, tags, kind="trial", store=store) as run:
                ratio = score(settings)
                run.log_metrics({"ratio_iqm": ratio}, 0)
                trial.set_user_attr("run", run.run_id)
        trial.set_user_attr("settings", settings)
        return ratio


def _complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _give_up_stopped(study: optuna.Study) -> None:
    """A process that was killed leaves its trial running for ever; it does not count."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
