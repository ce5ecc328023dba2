"""The Dockerfile: what it copies is there and enough, and what it starts is a server that is not root's."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pytest

from bidpilot.serving.config import ServeConfig
from tests.conftest import build_wheel

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, joined over lines; comments are left out."""
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[-1]) for line in text.splitlines() if line.strip()]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def sources() -> list[str]:
    """What is copied out of the checkout."""
    copied = [shlex.split(rest) for rest in arguments("COPY") if "--from=" not in rest]
    return [source for words in copied for source in words[:-1]]


def test_what_it_copies_is_in_the_checkout_and_let_through() -> None:
    assert [name for name in sources() if not (ROOT / name).exists()] == []
    ignored = (FILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert sorted(line[1:] for line in rules if line.startswith("!")) == sorted(sources())


@pytest.mark.long
def test_what_it_copies_is_enough_to_install(tmp_path: Path) -> None:
    """The package is built from that alone, with the command that serves and the files that it reads."""
    for name in sources():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    out = tmp_path / "out"
    with zipfile.ZipFile(build_wheel(str(tmp_path), out)) as built:
        names = built.namelist()
        (points,) = (built.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert "bidpilot/serving/server.py" in names
    assert "bidpilot/agents/acting/agent.py" in names
    assert "bidpilot = bidpilot.training.cli:main" in points


def test_it_installs_the_pins_and_nothing_that_trains() -> None:
    (install,) = [rest for rest in arguments("RUN") if "pip install" in rest]
    assert "--constraint constraints.txt" in install
    assert "'.[serve]'" in install
    assert len(arguments("FROM")) == 2
    assert all(base.startswith("python:${PYTHON}-slim") for base in arguments("FROM"))


def test_the_process_is_nobodys_and_is_told_to_stop_as_it_drains() -> None:
    (user,) = arguments("USER")
    assert user.split(":")[0].isdecimal()  # an orchestrator can see that it is not root
    assert int(user.split(":")[0]) > 0
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    (made,) = [rest for rest in arguments("RUN") if "useradd" in rest]
    assert f"--uid {user.split(':')[0]}" in made
    order = [name for name, _ in instructions()]
    assert order.index("USER") > len(order) - 1 - order[::-1].index("RUN")  # everything before is root's


def test_it_serves_with_its_state_in_a_volume_on_the_ports_that_it_tells() -> None:
    (entry,) = arguments("ENTRYPOINT")
    words = json.loads(entry)
    assert words[:2] == ["bidpilot", "serve"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    config = ServeConfig.model_validate(
        {"bundle": words[2], **{name.removeprefix("--").replace("-", "_"): value for name, value in options.items()}}
    )
    assert arguments("VOLUME") == [str(config.state)]
    assert f"-m 0700 {config.state}" in " ".join(arguments("RUN"))
    assert arguments("EXPOSE") == [f"{config.port} {config.admin_port}"]
    assert config.host == "0.0.0.0"
    assert config.admin_host == "127.0.0.1"  # administration is for the container alone until somebody says otherwise


def test_its_health_is_asked_of_the_port_that_bids_come_to() -> None:
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    port = ServeConfig.model_fields["port"].default
    assert f"http://127.0.0.1:{port}/health" in command[2]
    seconds = {name: int(value) for name, value in re.findall(r"--(\S+)=(\d+)s", check)}
    waits = re.search(r"timeout=(\d+)", command[2])
    assert waits is not None
    assert int(waits[1]) < seconds["timeout"]
