"""The package: one version, one program, light where it is deployed, arrows that are really held."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

import bidpilot
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.training.cli import main

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("agents", "bidding", "envs", "serving", "solvers", "training")
HEAVY = (
    "cvxpy",
    "gymnasium",
    "matplotlib",
    "mlflow",
    "numba",
    "polars",
    "pyarrow",
    "scipy",
    "stable_baselines3",
    "torch",
    "tyro",
)


def project() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules_of(folder: str) -> list[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    parts = [file.relative_to(ROOT).with_suffix("").parts for file in files]
    return ["bidpilot." + ".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def test_the_version_is_a_literal_and_the_installed_one() -> None:
    tree = ast.parse((ROOT / "bidpilot" / "__init__.py").read_text())
    literals = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__version__"
        and isinstance(node.value, ast.Constant)
    ]
    assert literals == [bidpilot.__version__] == [version("bidpilot")]


def test_the_script_and_the_module_are_the_same_program() -> None:
    (script,) = entry_points(group="console_scripts", name="bidpilot")
    assert script.load() is main
    assert vars(importlib.import_module("bidpilot.__main__"))["main"] is main


def test_python_dash_m_runs_it() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "bidpilot", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert shown == f"bidpilot {bidpilot.__version__}\n"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_import_package_links_to_the_top_level_folder(folder: str) -> None:
    link = ROOT / "bidpilot" / folder
    assert link.is_symlink()
    assert os.readlink(link) == f"../{folder}"


@pytest.mark.parametrize("folder", ["bidding", "agents/acting", "serving"])
def test_a_deployed_bidder_loads_no_heavy_library(folder: str) -> None:
    code = f"import sys, {', '.join(modules_of(folder))}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_pin_of_the_project_is_in_the_constraints() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    table = project()["project"]
    assert isinstance(table["dependencies"], list)
    assert isinstance(table["optional-dependencies"], dict)
    wanted = [
        *table["dependencies"],
        *(entry for extra in table["optional-dependencies"].values() for entry in extra),
    ]
    names = {entry.partition(">=")[0].partition("==")[0].partition("[")[0].lower() for entry in wanted}
    assert names - {"bidpilot"} <= pinned


def test_nothing_names_a_learner_but_its_folder_and_the_catalogue() -> None:
    catalogue, learners = ROOT / "agents" / "learners" / "catalogue.py", ROOT / "agents" / "learners"
    named = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(LEARNERS)})(?![a-z])")
    assert named.search(catalogue.read_text())
    found = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path != catalogue
        and not any((learners / name) in path.parents for name in LEARNERS)
        and named.search(path.read_text())
    ]
    assert found == []


def test_the_contract_of_learners_lists_every_one() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (entry for entry in contracts if entry["id"] == "learners")
    assert contract["protected_modules"] == [f"bidpilot.agents.learners.{name}" for name in LEARNERS]


def broken_contracts(tmp_path: Path, file: str, line: str) -> str:
    """Copy the imports' skeleton, plant one import, and return what import-linter says is broken."""
    for folder in ("bidpilot", *FOLDERS):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    contracts: Any = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = {module for contract in contracts for module in contract.get("source_modules", ())}
    named |= {f"bidpilot.agents.{room}" for room in ("acting.controllers", "learners", "learners.common")}
    named |= {f"bidpilot.agents.learners.{name}" for name in LEARNERS}
    for module in sorted(named):
        package = tmp_path / module.removeprefix("bidpilot.").replace(".", "/")
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
    rooms = {
        "bidding": ("day", "plan", "campaign", "constraints", "landscape", "traffic"),
        "envs": ("bidding_env", "answering", "markets", "clearing", "synthetic", "logs"),
    }
    for folder, inside in rooms.items():
        for room in inside:
            (tmp_path / folder / room).mkdir()
            (tmp_path / folder / room / "__init__.py").touch()
    (tmp_path / "envs" / "seeding.py").touch()
    (tmp_path / "agents" / "learners" / "catalogue.py").touch()
    for folder in FOLDERS:
        (tmp_path / "bidpilot" / folder).symlink_to(f"../{folder}")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(f"{line}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = [entry for entry in done.stdout.splitlines() if entry.endswith("BROKEN")]
    assert done.returncode == bool(broken), done.stdout + done.stderr
    return "\n".join(broken)


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("envs/x.py", "import bidpilot.agents", "bidding <- envs"),
        ("bidding/landscape/x.py", "import bidpilot.bidding.constraints", "inside bidding"),
        ("bidding/traffic/x.py", "import bidpilot.bidding.landscape", "inside bidding"),
        ("bidding/constraints/x.py", "import bidpilot.bidding.day", "inside bidding"),
        ("bidding/plan/x.py", "import bidpilot.bidding.day", "inside bidding"),
        ("envs/clearing/x.py", "import bidpilot.envs.markets", "inside envs"),
        ("envs/markets/x.py", "import bidpilot.envs.bidding_env", "inside envs"),
        ("envs/logs/x.py", "import bidpilot.envs.synthetic", "inside envs"),
        ("envs/synthetic/x.py", "import bidpilot.envs.clearing", "inside envs"),
        ("envs/seeding.py", "import bidpilot.envs.logs", "inside envs"),
        ("agents/acting/controllers/x.py", "import bidpilot.solvers", "agents.acting stands on bidding alone"),
        ("agents/acting/controllers/x.py", "import scipy", "a deployed bidder reaches no heavy library"),
        ("training/x.py", "import bidpilot.agents.learners.ppo", "only the catalogue imports a learner"),
        ("agents/learners/common/x.py", "import bidpilot.agents.learners.ppo", "only the catalogue imports a learner"),
        (
            "agents/learners/recurrent_ppo/x.py",
            "import bidpilot.agents.learners.ppo",
            "only the catalogue imports a learner",
        ),
        ("serving/x.py", "import bidpilot.agents", "serving imports bidding and agents.acting only"),
        ("serving/x.py", "import torch", "a deployed bidder reaches no heavy library"),
        ("training/evaluation/x.py", "import torch", "only what trains sees torch"),
        ("envs/x.py", "import stable_baselines3", "only what trains sees torch"),
        ("bidding/x.py", "import bidpilot.serving", "the layers under training do not know serving"),
    ],
)
def test_an_arrow_the_wrong_way_is_caught(tmp_path: Path, file: str, line: str, contract: str) -> None:
    assert contract in broken_contracts(tmp_path, file, line)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("envs/x.py", "import bidpilot.bidding, numba"),
        ("envs/markets/x.py", "import bidpilot.envs.clearing, bidpilot.envs.synthetic"),
        ("envs/bidding_env/x.py", "import bidpilot.envs.markets, bidpilot.envs.logs"),
        ("serving/__init__.py", "import bidpilot.bidding, bidpilot.agents.acting.controllers"),
        ("serving/x.py", "from bidpilot.agents.acting.controllers import __doc__ as doc"),
        ("training/x.py", "import bidpilot.serving"),
        ("training/x.py", "import bidpilot.agents.learners.catalogue"),
        ("agents/learners/catalogue.py", "import bidpilot.agents.learners.ppo"),
        ("agents/learners/ppo/x.py", "import bidpilot.agents.learners.ppo"),
    ],
)
def test_an_arrow_the_right_way_is_let_through(tmp_path: Path, file: str, line: str) -> None:
    assert broken_contracts(tmp_path, file, line) == ""
