"""Each variant is the default training with what its name says left out, and nothing else."""

from typing import Any

import pytest

from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.bidding.errors import UnknownVariant
from bidpilot.training.ablate.catalogue import FULL, VARIANTS, named_variants
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.ablate.jobs import jobs
from bidpilot.training.cli.config import flat
from bidpilot.training.train.config import TrainConfig

CHANGED: dict[str, dict[str, Any]] = {
    "full": {},
    "imitation": {"total_steps": 0},
    "no_imitation": {"imitation.rounds": 0, "ppo.learning_rate": 1e-3, "ppo.log_std_init": -1.5},
    "hindsight": {"imitation.teacher": "hindsight"},
    "no_worlds": {"worlds": 0},
    "no_history": {"ppo.hidden": "history"},
    "on_mpc": {"ppo.base": "mpc"},
    "no_groups": {"ppo.group": 1},
    "memory": {"learner": "recurrent_ppo"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_what_its_name_says(name: str) -> None:
    default = flat(TrainConfig(run_name=f"ablate {name} 0", verdict_days=0, shrinkage=1.0))
    first, second, third = (flat(job.config) for job in jobs([VARIANTS[name]], AblateConfig()))
    assert {key: value for key, value in first.items() if value != default[key]} == CHANGED[name]
    assert [first["seed"], second["seed"], third["seed"]] == [0, 1, 2]


def test_each_variant_stands_beside_one_that_comes_before_it() -> None:
    names = list(VARIANTS)
    assert names[0] == FULL
    assert all(names.index(v.beside) < names.index(v.name) for v in VARIANTS.values() if v.name != FULL)


def test_variants_are_trained_in_the_catalogues_order_each_once() -> None:
    assert [v.name for v in named_variants(("imitation", "full", "imitation"))] == ["full", "imitation"]
    assert named_variants(()) == list(VARIANTS.values())
    assert len(jobs(named_variants(("full",)), AblateConfig(seeds=(3, 3, 4)))) == 2


def test_an_unknown_variant_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UnknownVariant, match=f"'fast'.*{', '.join(VARIANTS)}"):
        named_variants(("full", "fast"))


def test_trainings_that_differ_in_seed_or_settings_are_told_apart_and_equal_ones_are_not() -> None:
    def configuration(**fields: Any) -> str:
        (job,) = jobs([VARIANTS["full"]], AblateConfig(**{"seeds": (0,), **fields}))
        return job.tags["ablation.configuration"]

    same = configuration()
    assert configuration(days=7, workers=1, experiment="another") == same
    assert len({same, configuration(seeds=(1,)), configuration(rows=128), configuration(total_steps=96)}) == 4


def test_another_learner_does_not_take_the_settings_of_the_first() -> None:
    (job,) = jobs([VARIANTS["memory"]], AblateConfig.model_validate({"seeds": (0,), "ppo": {"group": 4}}))
    assert job.config.learner == "recurrent_ppo"
    assert job.config.settings == LEARNERS["recurrent_ppo"].config
    assert job.config.ppo == LEARNERS["ppo"].config
