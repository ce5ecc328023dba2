"""The pages: what they name exists, links lead somewhere, and the pictures are of the rooms there are."""

import re
import subprocess
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

import pytest

from bidpilot.training.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("tutorials/*.md"))]
ROOMS = ("bidding", "envs", "solvers", "agents", "training", "serving")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    named = re.findall(rf"`((?:{'|'.join(ROOMS)}|tests)/[\w./]*)`", (ROOT / name).read_text())
    assert len(named) > 10
    assert [path for path in named if "NAME" not in path and "ROOM" not in path and not (ROOT / path).exists()] == []


def test_the_pictures_show_every_top_level_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    whole = page.partition("<!-- whole -->")[2].partition("<!-- end -->")[0]
    assert [room for room in ROOMS if f"[{room}" not in whole] == []


def test_the_readme_names_every_command_within_two_screens() -> None:
    before, _, after = (ROOT / "README.md").read_text().partition("## The commands\n")
    assert len(before.splitlines()) <= 100
    assert [command.name for command in COMMANDS if f"`{command.name}`" not in after] == []


def test_what_the_pages_commands_write_leaves_nothing_untracked() -> None:
    typed = [block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)]
    typed += [example for command in COMMANDS for example in resolve_name(command.config).examples]
    option = re.compile(r"--(?:json|out|figure|decisions|state) ([a-z][\w./-]*)")
    written = {path for text in typed for path in option.findall(text)}
    defaults = {"mlruns/mlflow.db", "mlruns/optuna.db", "serving-state/ledger.db", "rivals/iql.npz"}
    # a folder is ignored with what is in it
    wanted = sorted(defaults | {path if "." in Path(path).name else f"{path}/x" for path in written})
    assert len(wanted) > 10
    git = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=False)
    if git(["git", "rev-parse", "--is-inside-work-tree"]).returncode != 0:
        pytest.skip("no git checkout")
    ignored = git(["git", "check-ignore", *wanted]).stdout.split()
    tracked = git(["git", "ls-files", *wanted]).stdout.split()
    assert [path for path in wanted if path not in ignored and path not in tracked] == []
