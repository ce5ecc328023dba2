"""The verdict: who is exported, by days that have chosen nothing; and what a run keeps and says of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bidpilot.agents.acting.agent import ControllerAgent
from bidpilot.agents.acting.controllers import ADAPTIVE, MPC
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.training.cli import main
from bidpilot.training.evaluation.contestants import find_contestants
from bidpilot.training.evaluation.suites import Suite, validation_arena
from bidpilot.training.evaluation.traffic import detected
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.run import run as export
from bidpilot.training.setting.setting import Setting, recorded_setting, training_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.tracking import download, latest_finished_run
from bidpilot.training.train.verdict import IMITATED, TOLERATED, Ground, choose, reach_verdict, verdict_grounds
from tests.agents.acting.networks import random_mlp, sizes_of
from tests.training.small_logs import small_log

pytestmark = pytest.mark.usefixtures("project")

DAYS, BASE, OTHER, POLICY = 64, "mpc", "adaptive", "ppo"
CANDIDATES = (BASE, OTHER, POLICY)
LEVEL = dict.fromkeys(CANDIDATES, 0.9)  # on the days that chose the policy


def ground(name: str = "one", days: int = DAYS, **gains: float) -> Ground:
    """R / R* whose paired differences to the base have this mean, the same spread on every ground, and no luck."""
    ratios = {BASE: np.full(days, 0.9)}
    for agent, signs in ((OTHER, [-1, 1]), (POLICY, [-1, -1, 1, 1])):
        ratios[agent] = 0.9 + gains.get(agent, 0.0) + 0.005 * np.resize(signs, days)
    return Ground(name, ratios, np.arange(days))  # half of an interval to the base: 2 * 0.005 / 8 = 0.00125


def test_a_policy_is_chosen_where_its_interval_over_the_grounds_is_above_zero() -> None:
    choice, why = choose(CANDIDATES, [ground(ppo=0.003), ground("two", ppo=0.001)], LEVEL)
    assert choice == POLICY
    assert "ppo is better than mpc: +0.0020" in why


def test_the_simplest_stands_where_nothing_is_shown() -> None:
    assert choose(CANDIDATES, [ground(ppo=0.0005, adaptive=0.0005)], LEVEL)[0] == BASE
    assert choose(CANDIDATES, [ground(ppo=0.0105, adaptive=0.01)], LEVEL)[0] == OTHER


def test_grounds_together_show_what_none_does_alone() -> None:
    weak = [ground(str(k), ppo=0.001) for k in range(9)]  # the interval of one reaches to -0.0003
    assert choose(CANDIDATES, weak[:1], LEVEL)[0] == BASE
    assert choose(CANDIDATES, weak, LEVEL)[0] == POLICY


def test_who_falls_too_far_behind_on_one_ground_is_out_whatever_the_mean() -> None:
    better = [ground(str(k), ppo=0.003) for k in range(9)]
    choice, why = choose(CANDIDATES, [*better, ground("last", ppo=-TOLERATED - 0.002)], LEVEL)
    assert choice == BASE
    assert "ppo falls behind mpc on last by at least 0.0027" in why
    inside = ground("last", ppo=-TOLERATED)  # not with the whole interval
    assert choose(CANDIDATES, [*better, inside], LEVEL)[0] == POLICY


def test_where_all_fall_behind_somewhere_it_is_who_does_the_least() -> None:
    grounds = [ground(ppo=0.1, adaptive=0.02), ground("two", ppo=-0.01)]
    choice, why = choose(CANDIDATES, grounds, LEVEL)
    assert choice == POLICY
    assert "mpc falls behind ppo on one" in why


@pytest.mark.parametrize("grounds", [[], [replace(ground(ppo=0.1), units=np.arange(DAYS) % 2)]])
def test_where_too_few_units_judge_the_days_that_chose_the_policy_keep_it_or_not(grounds: list[Ground]) -> None:
    choice, why = choose(CANDIDATES, grounds, {**LEVEL, POLICY: 0.91})
    assert choice == POLICY
    assert "too few days that chose nothing to judge by: on those that chose ppo it has +0.0100 beside mpc" in why
    assert choose(CANDIDATES, grounds, LEVEL)[0] == POLICY
    assert choose(CANDIDATES, grounds, {**LEVEL, POLICY: 0.89})[0] == BASE


def test_one_ground_with_enough_units_judges_alone() -> None:
    few = replace(ground(ppo=-0.1), units=np.arange(DAYS) % 2)
    assert choose(CANDIDATES, [few, ground("two", ppo=0.01)], LEVEL)[0] == POLICY


@pytest.fixture(scope="module")
def steady() -> Setting:
    return training_setting("steady", None, 0)


@pytest.fixture(scope="module")
def grounds(steady: Setting) -> list[Suite]:
    return verdict_grounds(steady, 6, 0, detected, worlds=True)


def still(setting: Setting) -> NetworkPolicy:
    """A residual policy that adds nothing."""
    shape = sizes_of(len(setting.forecast.segments))
    network = Mlp((np.zeros(shape, np.float32),), (np.zeros(shape[1], np.float32),))
    return NetworkPolicy(network, RESIDUAL, name=POLICY)


def test_a_preset_is_judged_on_worlds_and_on_days_that_have_chosen_nothing(
    steady: Setting, grounds: list[Suite]
) -> None:
    assert [suite.name for suite in grounds] == ["steady", "worlds"]
    assert [len(suite.arena.days) for suite in grounds] == [6, 6]
    chosen_by = validation_arena(steady, 6, 0)
    assert (grounds[0].arena.days.start[:, 0] != chosen_by.days.start[:, 0]).all()
    own, worlds = (suite.arena.days.uniforms for suite in grounds)
    assert own is not None
    assert worlds is not None
    assert not np.isin(own, worlds).any()  # one ground tells nothing of the other


def test_a_preset_is_validated_half_on_worlds_that_the_verdict_does_not_have(
    steady: Setting, grounds: list[Suite]
) -> None:
    market = validation_arena(steady, 8, 0, worlds=True).market
    assert isinstance(market, MixedMarket)
    judging = grounds[1].arena.market
    assert isinstance(judging, MixedMarket)
    assert market.market_of(np.linspace(0.0, 0.999, 100)[:, None]).tolist().count(0) == pytest.approx(50, abs=1)
    assert not {part.log.digest for part in market.markets} & {part.log.digest for part in judging.markets}


def test_a_policy_that_adds_nothing_plays_as_its_base_and_is_not_exported(
    steady: Setting, grounds: list[Suite]
) -> None:
    verdict = reach_verdict(grounds, still(steady), None, {}, LEVEL)
    assert verdict.alike
    assert verdict.choice in (MPC.name, ADAPTIVE.name)
    assert {row["diff"] for row in verdict.pairs if (row["agent"], row["against"]) == (POLICY, MPC.name)} == {0.0}


def test_imitation_stands_beside_what_the_learner_made_of_it(steady: Setting, grounds: list[Suite]) -> None:
    bad = NetworkPolicy(random_mlp(*sizes_of(len(steady.forecast.segments))), None, name=POLICY)
    verdict = reach_verdict(grounds[:1], bad, still(steady), {}, LEVEL)
    assert not verdict.alike
    assert verdict.choice == MPC.name
    assert verdict.means["steady"][IMITATED] == verdict.means["steady"][MPC.name]
    assert ("ppo", IMITATED) in {(row["agent"], row["against"]) for row in verdict.pairs}
    assert json.loads(json.dumps(verdict.record()))["choice"] == MPC.name


def test_recorded_days_judge_or_choose_and_not_both() -> None:
    log = small_log("log", "conversion", units=4, campaigns=("a", "b", "c", "d", "e"))
    setting = recorded_setting(log, hold_out=HoldOut(0.4))
    split = setting.split
    assert split is not None
    assert {log.days[day].campaign for day in split.judging} == {"d"}
    assert {log.days[day].campaign for day in split.choosing} == {"b"}
    (judged,) = verdict_grounds(setting, 100, 0, detected, worlds=True)
    assert len(judged.arena.days) == len(split.judging)
    assert len(np.unique(judged.units)) == 4
    assert len(validation_arena(setting, 100, 0).days) == len(split.choosing)
    for share in (0.0, 0.2):  # nothing is held out; one campaign, all of whose four units choose
        assert verdict_grounds(recorded_setting(log, hold_out=HoldOut(share)), 100, 0, detected, worlds=True) == []


def test_a_run_keeps_its_verdict_and_exports_its_choice(capsys: pytest.CaptureFixture[str], project: object) -> None:
    tiny = ["--rows", "4", "--total-steps", "192", "--validation-days", "2", "--verdict-days", "4"]
    tiny += ["--imitation.rounds", "1", "--imitation.batch-size", "64", "--no-randomise"]
    tiny += ["--ppo.batch-size", "64", "--ppo.epochs", "1", "--ppo.net", "8", "8", "--ppo.group", "2"]
    main(["train", "--market", "steady", *tiny])
    run, printed = latest_finished_run("train"), capsys.readouterr().out
    stored = json.loads(download(run.run_id, "verdict.json").read_text())
    assert stored["choice"] == run.tags["choice"]
    assert f"exported by default: {run.tags['choice']}" in printed
    (beside,) = (p["diff"] for p in stored["pairs"] if (p["agent"], p["against"]) == ("ppo", "mpc"))
    assert run.metrics["heldout/steady/ratio_vs_mpc"] == pytest.approx(beside)
    assert run.metrics["heldout/steady/days"] == 4
    assert run.metrics["heldout/steady/ratio_iqm_low"] <= run.metrics["heldout/steady/ratio_iqm"]
    assert run.tags["learnt"] in " ".join(printed.split())
    assert f"exported by default: {stored['choice']}" in run.tags["mlflow.note.content"]
    assert download(run.run_id, "figures/verdict.png").stat().st_size > 1000
    bundle = download(run.run_id, "policy").parent / "bundle"
    export(ExportConfig(run=run.run_id, out=bundle, register_model=False))
    origin = json.loads((bundle / "manifest.json").read_text())["origin"]
    assert (origin["run_id"], origin["tags"]["choice"]) == (run.run_id, stored["choice"])
    assert origin["tags"]["choice.why"] == stored["why"]
    assert f"{run.tags['choice']} is the run's own choice" in capsys.readouterr().out
    (chosen,) = (c for c in find_contestants((f"choice@{run.run_id}",), "bidpilot") if c.name.startswith("choice"))
    (agent,) = chosen.policies.values()
    played = agent.controller.name if isinstance(agent, ControllerAgent) else POLICY
    assert played == run.tags["choice"]
