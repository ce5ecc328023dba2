"""The command line: one clear line per mistake, the file below the options, every option explained."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from pkgutil import resolve_name

import pytest
import tyro
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.commands import COMMANDS, Command
from bidpilot.training.cli.config import Config, flat, given
from bidpilot.training.cli.options import options_of
from bidpilot.training.cli.overlay import read_config
from bidpilot.training.cli.program import find_command
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.names import ALL_AGENTS
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.tracking.config import UiConfig
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.tune.spaces import BASELINES


def read(model: type[Config], *arguments: str) -> Config:
    return read_config(model, arguments, prog="bidpilot x")


def yaml_file(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_no_argument_gives_the_defaults() -> None:
    assert read(TrainConfig) == TrainConfig()


def test_options_override_the_file_and_the_file_overrides_the_defaults(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "seed: 5\nppo:\n  epochs: 3\n  net: [32, 16]\n  learning_rate: 3e-1\n")
    config = read(TrainConfig, "--config", path, "--ppo.epochs", "7")
    assert config == TrainConfig(
        seed=5, ppo=type(LEARNERS["ppo"].config)(epochs=7, net=(32, 16), learning_rate=0.3)
    )  # "3e-1" is text to PyYAML and must still be a number here


def test_what_was_given_is_known_though_it_is_the_default(tmp_path: Path) -> None:
    assert given(read(TrainConfig)) == []
    typed = read(TrainConfig, "--ppo.epochs", "5", "--ppo.no-residual", "--seed=0", "--no-tuned")
    assert sorted(given(typed)) == ["ppo.epochs", "ppo.residual", "seed", "tuned"]
    path = yaml_file(tmp_path, "rows: 256\npool:\n  size: 96\n")
    assert sorted(given(read(TrainConfig, "--config", path, "--seed", "1"))) == ["pool.size", "rows", "seed"]


def test_config_flag_may_stand_anywhere_and_use_an_equals_sign(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "port: 6001\n")
    assert read(UiConfig, "--host", "localhost", f"--config={path}") == UiConfig(port=6001, host="localhost")


def test_lists_are_space_separated() -> None:
    config = read(EvaluateConfig, "--agents", "plan", "ppo@abc", "--suites", "steady", "--json", "rows.json")
    assert config == EvaluateConfig(agents=("plan", "ppo@abc"), suites=("steady",), json_file=Path("rows.json"))


def test_json_key_is_the_same_in_the_file(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "json: rows.json\n")
    assert read(EvaluateConfig, "--config", path) == EvaluateConfig(json_file=Path("rows.json"))


def test_required_fields_may_come_from_either_side(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "format: auctionnet\nfiles: [a.csv, b.csv]\n")
    assert read(ImportConfig, "--config", path, "--out", "log") == ImportConfig(
        format="auctionnet", files=(Path("a.csv"), Path("b.csv")), out=Path("log")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rowz: 3\n", r"unknown key rowz, did you mean rows\?"),
        ("ppo:\n  epoch: 3\n", r"unknown key ppo\.epoch, did you mean epochs\?"),
        (
            "rowz: 3\nppo.epoch: 3\nppo:\n  gama: 2\n",
            r"unknown keys ppo\.epoch \(did you mean epochs\?\), ppo\.gama .* rowz \(did you mean rows\?\)",
        ),
        ("total-steps: 3\ntotal_steps: 4\n", r"key total_steps is given twice"),
        ("ppo.epochs: 3\nppo:\n  epochs: 4\n", r"key ppo is given twice"),
        ("ppo:\n  gamma: 2\n", r"ppo\.gamma = 2: Input should be less than or equal to 1"),
        ("seed: -1\n", r"seed = -1: .*greater than or equal to 0"),
        ("ppo:\n  gae_lambda: .nan\n", r"ppo\.gae_lambda = nan"),
        ("market: weekly\n", r"market = 'weekly': .*'daily', 'steady', 'rivals'"),
        ("rows: 3\n", r"rows \* ppo\.n_steps = 144 is no multiple"),
        ("- 1\n", r"holds a list: write `option: value` lines"),
        ("a: [\n", r"is not YAML"),
    ],
)
def test_a_mistake_in_the_file_names_option_value_and_file(tmp_path: Path, text: str, message: str) -> None:
    path = yaml_file(tmp_path, text)
    with pytest.raises(InvalidConfig, match=message) as caught:
        read(TrainConfig, "--config", path)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rowz", "3"], r"unknown option --rowz, did you mean --rows\?"),
        (
            ["--ppo.epoch=3", "--sead", "1"],
            r"unknown options --ppo\.epoch \(.* --ppo\.epochs\?\), --sead \(.* --seed",
        ),
        (["--ppo.no-residua"], r"did you mean --ppo\.no-residual\?"),
        (["--ppo.gamma", "2"], r"ppo\.gamma = 2\.0: Input should be less than or equal to 1"),
        (["--ppo.gamma", "nan"], r"ppo\.gamma = nan: Input should be"),
        (["--ppo.epochs", "x"], r"--ppo\.epochs.*'x'"),
        (["--market", "weekly"], r"'weekly'.*daily.*steady"),
        (["--rows", "3"], r"rows \* ppo\.n_steps = 144 is no multiple"),
        (["--config"], r"names no file"),
        (["--config", "absent.yaml"], r"absent\.yaml cannot be read"),
    ],
)
def test_a_mistake_in_an_option_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        read(TrainConfig, *arguments)
    assert "\n" not in str(caught.value)
    assert "│" not in str(caught.value)


def test_a_required_option_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidConfig, match="--out"):
        read(ImportConfig, "auctionnet", "a.csv")
    with pytest.raises(InvalidConfig, match="files"):
        read(ImportConfig, "auctionnet", "--out", "log")


def test_help_shows_description_and_the_files_value_as_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = yaml_file(tmp_path, "rows: 512\n")
    with pytest.raises(SystemExit) as caught:
        read(TrainConfig, "--config", path, "--help")
    assert caught.value.code in (None, 0)
    shown = " ".join(capsys.readouterr().out.split())
    assert "--rows INT Days played side by side. (default: 512)" in shown


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_the_options_that_are_parsed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    model = resolve_name(command.config)
    with pytest.raises(SystemExit):
        read_config(model, ["--help"], prog=f"bidpilot {command.name}")
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        tyro.cli(model, args=["--help"])
    flags = r"(?<=[\s,])--[a-z][\w.-]*"
    parsed = set(re.findall(flags, capsys.readouterr().out)) - {"--help"}
    described = {flag for option in options_of(model) for flag in re.findall(flags, f" {option.description}")}
    assert parsed - described <= set(re.findall(flags, shown))
    assert {flag for option in options_of(model) for flag in option.flags} <= parsed
    assert "None" not in re.sub(r"\bNone\b(?= )", "", shown)
    assert shown.index("basic options:") < shown.index("\noptions:") if model.basic else "basic" not in shown


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_examples_of_a_command_can_be_typed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    examples = resolve_name(command.config).examples
    assert examples
    for example in examples:
        program, *given = shlex.split(example)
        found, arguments = find_command(given)
        read_config(resolve_name(found.config), arguments, prog=f"{program} {found.name}")


def test_a_file_takes_the_names_of_help_with_dash_underscore_or_dot(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "total-steps: 1\nverdict_days: 2\nppo.batch-size: 512\nppo:\n  learning-rate: 0.5\n")
    ppo = type(LEARNERS["ppo"].config)(batch_size=512, learning_rate=0.5)
    assert read(TrainConfig, "--config", path) == TrainConfig(total_steps=1, verdict_days=2, ppo=ppo)
    path = yaml_file(tmp_path, "register: false\nout: a\n")
    assert read(ExportConfig, "--config", path) == ExportConfig(register_model=False, out=Path("a"))


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        found[f"{model.__name__}.{name}"] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found.update(fields_of(field.annotation))
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_field_is_described(command: Command) -> None:
    model = resolve_name(command.config)
    assert [name for name, field in fields_of(model).items() if not field.description] == []


def test_flat_names_are_those_of_the_options() -> None:
    values = flat(TrainConfig(log=Path("logs/a")))
    assert values["ppo.net"] == "64 64"
    assert values["ppo.gamma"] == 1.0
    assert values["log"] == "logs/a"
    assert values["resume"] is None
    assert "ppo" not in values


def test_command_names_are_unique() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize(
    ("name", "catalogue"),
    [
        ("evaluate", (*ALL_AGENTS, *SUITES)),
        ("explain", (*CONTROLLERS, *SUITES)),
        ("export", CONTROLLERS),
        ("auctionnet", CONTROLLERS),
        ("tune", BASELINES),
    ],
)
def test_help_names_all_that_the_catalogues_hold(name: str, catalogue: Iterable[str]) -> None:
    (command,) = (entry for entry in COMMANDS if entry.name == name)
    described = " ".join(field.description or "" for field in resolve_name(command.config).model_fields.values())
    assert set(catalogue) <= set(re.findall(r"\w+", described))
