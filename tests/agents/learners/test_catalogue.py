"""The catalogue: every learner under its own name, loaded when asked for, one chosen at a time."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS, LearnerChoice, LearnerName, learner_of


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_filed_under_its_name_and_has_options_of_it(name: LearnerName) -> None:
    assert LEARNERS[name].load().name == name
    chosen = LearnerChoice(learner=name)
    assert chosen.settings == getattr(chosen, name) == LEARNERS[name].config
    assert chosen.others == set(LEARNERS) - {name}


def test_hyperparameters_of_a_learner_that_does_not_train_are_refused() -> None:
    (other,) = set(LEARNERS) - {DEFAULT}
    with pytest.raises(ValidationError, match=f"give learner = {other}, or leave them out"):
        LearnerChoice.model_validate({other: {"epochs": 3}})
    assert LearnerChoice.model_validate({"learner": other, other: {"epochs": 3}}).settings.epochs == 3


def test_a_run_that_does_not_say_is_of_the_first_learner() -> None:
    assert learner_of({}) == DEFAULT
    assert learner_of({"learner": "another"}) == "another"


def test_the_catalogue_loads_no_training_library() -> None:
    code = (
        "import sys, bidpilot.agents.learners.catalogue; "
        "print({'torch', 'stable_baselines3', 'sb3_contrib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
