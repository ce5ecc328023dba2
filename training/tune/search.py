"""Searches: Optuna studies in SQLite, which a later call goes on with; trials may be child runs in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from bidpilot.agents.learners.common.space import Space
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.tracking.story import PARENT
from bidpilot.training.tune.progress import TrialProgress
from bidpilot.training.tune.spaces import Settings, defaults, suggested

Score = Callable[[Sequence[Settings]], Sequence[float]]
"""Each of several settings to its interquartile mean of R / R* on the training days."""


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
        at_once: trials that are asked for before any of them is told, and scored side by side. What is found depends on
            it, and on nothing else of who scores them.
    """

    trials: int
    seed: int
    storage: str
    parent: Run
    experiment: str
    progress: TrialProgress
    at_once: int = 1

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
        while done < self.trials:
            places = range(done, min(done - done % self.at_once + self.at_once, self.trials))
            for place, ratio in zip(places, self._play(study, places, space, score, agent), strict=True):
                self.progress.scored(place, ratio)
            done = places.stop
        trials = _complete(study)
        best = max(trials, key=lambda trial: (trial.value, -trial.number))
        assert best.value is not None
        assert trials[0].value is not None
        return Best(best.user_attrs["settings"], best.value, trials[0].value)

    def _play(
        self, study: optuna.Study, places: Sequence[int], space: Space, score: Score, agent: str | None
    ) -> list[float]:
        """Ask for the trials of these places, score them side by side, and tell the study all of them."""
        trials, settings = [], []
        for place in places:
            study.sampler = optuna.samplers.TPESampler(seed=_seed(self.seed, place))
            trials.append(study.ask())
            settings.append(suggested(trials[-1], space))
        asked = zip(trials, settings, strict=True)
        with ExitStack() as stack:
            runs = [] if agent is None else [stack.enter_context(self._child(agent, *each)) for each in asked]
            ratios = list(score(settings))
            for trial, run, ratio in zip(trials, runs, ratios, strict=False):
                run.log_metrics({f"tuning/{agent}/ratio_iqm": ratio}, 0)
                trial.set_user_attr("run", run.run_id)
        for trial, own, ratio in zip(trials, settings, ratios, strict=True):
            trial.set_user_attr("settings", own)
            study.tell(trial, ratio)
        return ratios

    def _child(self, agent: str, trial: optuna.Trial, settings: Settings) -> AbstractContextManager[Run]:
        """The trial's own run."""
        tags = {PARENT: self.parent.run_id, "agent": agent}
        name, store = f"{agent} {trial.number}", self.parent.store
        return open_run(self.experiment, name, settings, tags, kind="trial", store=store)


def _complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _give_up_stopped(study: optuna.Study) -> None:
    """A process that was killed leaves its trial running for ever; it does not count."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
