"""The names of metrics, and the manual's table of them."""

from pathlib import Path

from bidpilot.training.tracking.metrics import METRICS, held_out, suite_of

MANUAL = Path(__file__).parents[3] / "docs" / "training.md"


def test_the_manual_holds_every_metric_with_its_meaning() -> None:
    text = MANUAL.read_text()
    table = text[text.index("<!-- metrics -->") : text.index("<!-- end of metrics -->")]
    rows = dict(line.strip("| ").split("` | ") for line in table.splitlines() if line.startswith("| `"))
    assert {name.strip("`"): meaning for name, meaning in rows.items()} == METRICS


def test_a_training_has_its_headline_without_an_agents_name() -> None:
    assert held_out("daily") == "heldout/daily/ratio_iqm"
    assert held_out("my log: day 1", "days", "ppo@1,2") == "heldout/my_log__day_1/ppo_1_2/days"
    assert suite_of("heldout/daily/ratio_iqm") == "daily"
    assert suite_of("heldout/daily/ratio_iqm_low") is None
    assert suite_of("heldout/daily/mpc/ratio_iqm") is None
