"""Alerts are of what a server tells, fire when they should, and are silent of what is as it should be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.server import applications
from tests.serving.conftest import write_controller_bundle

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
SERVING = DEPLOY.parents[1] / "serving"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """The names that /metrics gives, as rules write them, with the values of each label."""
    folder = tmp_path_factory.mktemp("served")
    config = ServeConfig(bundle=write_controller_bundle(folder / "bundle"), state=folder / "state")
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        text = applications(bidder, config, "http://127.0.0.1")[0].metrics.text().decode()
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        for end in ends:
            labels = found.setdefault(f"{family.name}{end}", {})
            for sample in family.samples:
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return found


def promtool(*arguments: str) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", "rules.yml")
    assert "valid prometheus config" in promtool("check", "config", "prometheus.yml")


def test_each_alert_fires_when_it_should_and_not_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tried_both_ways() -> None:
    tried = [test["name"] for test in yaml.safe_load((DEPLOY / "rules_test.yml").read_text())["tests"]]
    expected = [f"{rule['alert']} {how}" for rule in rules() for how in ("fires", "is silent")]
    assert sorted(tried) == sorted(expected)


def test_every_metric_of_the_rules_is_one_that_a_server_tells(samples: dict[str, dict[str, set[str]]]) -> None:
    asked = {name for rule in rules() for name in re.findall(r"\bbidpilot_\w+", str(rule))}
    assert {name for name in asked if name not in samples} == set()


def test_every_label_that_the_rules_pick_by_is_there_with_such_a_value(
    samples: dict[str, dict[str, set[str]]],
) -> None:
    """Causes are told from 0 on, so that the first of them is an increase; the others are named in the code."""
    code = "\n".join(path.read_text() for path in sorted(SERVING.rglob("*.py")))
    for rule in rules():
        for name, picked in re.findall(r"\b(bidpilot_\w+)\{([^}]*)\}", rule["expr"]):
            for label, value in re.findall(r'(\w+)=~?"([^"]*)"', picked):
                told = samples[name].get(label, set())
                for one in value.split("|"):
                    assert one in told or (label != "cause" and f'"{one}"' in code), (rule["alert"], label, one)


def test_every_cause_is_told_before_it_has_happened(samples: dict[str, dict[str, set[str]]]) -> None:
    assert samples["bidpilot_guardrail_events_total"]["cause"] == {cause.value for cause in Cause}


def test_every_alert_says_what_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert all(text.endswith((".", "}")) for text in rule["annotations"].values()), rule["alert"]
