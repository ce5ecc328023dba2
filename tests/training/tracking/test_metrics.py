"""The names of metrics, and the manual's table of them."""

from pathlib import Path

from bidpilot.training.tracking.metrics import METRICS, held_out, scored_suites

MANUAL = Path(__file__).parents[3] / "docs" / "training.md"


def test_the_manual_holds_every_metric_with_its_meaning() -> None:
    text = MANUAL.read_text()
    table = text[text.index("<!-- metrics -->") : text.index("<!-- end of metrics -->")]
    rows = dict(line.strip("| ").split("` | ") for line in table.splitlines() if line.startswith("| `"))
    assert {name.strip("`"): meaning for name, meaning in rows.items()} == METRICS


def test_a_training_has_its_headline_without_an_agents_name() -> None:
    assert held_out("daily") == "heldout/daily/ratio_iqm"
    assert held_out("my log: day 1", "days", "ppo@1,2") == "heldout/my_log__day_1/ppo_1_2/days"
    others = {"heldout/daily/ratio_iqm_low": 0.8, "heldout/daily/mpc/ratio_iqm": 0.9}
    assert scored_suites(others) == []
    assert scored_suites({**others, "heldout/daily/ratio_iqm": 0.9, "heldout/daily/days": 4}) == ["daily"]


def test_a_score_of_the_policy_before_a_run_was_resumed_is_none() -> None:
    assert scored_suites({"heldout/daily/ratio_iqm": 0.9, "heldout/daily/days": 0}) == []
