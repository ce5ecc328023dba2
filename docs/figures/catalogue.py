"""What is measured, and by which commands. A measurement is one entry here, its texts are in the modules beside it.

A command stands as a reader types it, with these names for what differs from place to place:

- `{runs}`: the ids of the trainings before it, joined by commas; `{run[0]}`, `{run[1]}`, ... a single one;
- `{data}`: the folder of recorded data; `{logs}`: a folder for imported logs;
- `{json}`: the file of rows that is kept. Without it, the JSON lines that the command prints are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bidpilot.training.evaluation.catalogue import SUITES
from docs.figures.record import Row

TRAININGS = tuple(f"bidpilot train --seed {seed}" for seed in range(3))
"""The default training, three times."""


def is_pair(row: Row) -> bool:
    """Whether a row is the difference of two agents."""
    return "against" in row


def is_of_ppo(row: Row) -> bool:
    """Whether a row is of one agent, or a difference to `ppo`."""
    return not is_pair(row) or any(row[side].startswith("ppo") for side in ("agent", "against"))


def is_of_learned(row: Row) -> bool:
    """Whether a row is of one agent, what doubts or learns has beside `mpc`, or `ppo` beside `adaptive` or `pid`.

    Of a single run its policy alone is kept.
    """
    if not is_pair(row):
        return not row["agent"].startswith("choice@") or "," in row["agent"]
    sides = {row[side].partition("@")[0] for side in ("agent", "against")}
    beside_mpc = "mpc" in sides and sides <= {"mpc", "adaptive", "ppo", "choice"}
    return beside_mpc or sides in ({"ppo", "adaptive"}, {"ppo", "pid"})


@dataclass(frozen=True)
class Measurement:
    """Commands in order, and what is kept of their rows."""

    name: str
    minutes: int  # on two quiet cores, trainings included
    commands: tuple[str, ...]
    keeps: Callable[[Row], bool] = lambda row: True  # which rows
    drops: tuple[str, ...] = ()  # keys that are not kept
    usual: bool = True  # whether it is measured where no name is given

    @property
    def recorded(self) -> bool:
        """Whether it needs the recorded data."""
        return any("{data}" in command for command in self.commands)


_UNSHOWN = (
    "roughness",
    "run",
    "forecast",
    "forecast_run",
    "forecast_log",
    "other_market",
    "trained_on",
    "filter_closed",
    "p5",
    "vs_mpc",
)
_LEARNED = "adaptive knowable ppo@{runs} choice@{runs}"
_APART = ("worlds", "rivals")  # measured by commands of their own
_SUITES = " ".join(name for name in SUITES if name not in _APART)
_AUCTIONNET = tuple(
    f"bidpilot import auctionnet {{data}}/auctionnet/{files}-*.parquet --out {{logs}}/{log} --force"
    for log, files in (("auctionnet", "period"), ("auctionnet-test", "test"))
)
_PUBLISHED = "fixed_cpa budget_pid cpa_pid online_lp plan"
_LEFT_OUT = f"bidpilot auctionnet {{logs}}/auctionnet --leave-one-out --agents {_PUBLISHED}"

_ALL = (
    Measurement(
        "suites",
        10,
        (
            *TRAININGS,
            f"bidpilot evaluate --agents plan pid dual_descent constant {_LEARNED} --suites {_SUITES} --json {{json}}",
            f"bidpilot evaluate --agents {_LEARNED} --suites worlds --days 4096 --json {{json}}",
        ),
        keeps=is_of_learned,
        drops=_UNSHOWN,
    ),
    Measurement(
        "stress",
        5,
        (*TRAININGS, "python docs/stress.py --agents adaptive knowable ppo@{runs} choice@{runs} --json {json}"),
    ),
    Measurement(
        "margins",
        8,
        (
            *TRAININGS,
            *(
                f"bidpilot evaluate --agents plan ppo@{{runs}} --suites cpa --cpa-margin {margin} --json {{json}}"
                for margin in (0.1, 0.15, 0.2)
            ),
        ),
        keeps=is_of_ppo,
    ),
    Measurement(
        "fronts",
        8,
        (*TRAININGS, "bidpilot evaluate --front --agents ppo@{runs} --json {json}"),
        drops=("totals",),
    ),
    Measurement(
        "gains-on-shift", 8, (*TRAININGS, "python docs/gains_on_shift.py --agent ppo@{runs} --json {json}"), is_of_ppo
    ),
    Measurement("limit", 3, tuple(f"bidpilot limit --suite {suite} --json {{json}}" for suite in ("daily", "steady"))),
    Measurement(
        "auctionnet",
        15,
        (
            *_AUCTIONNET,
            *(f"bidpilot train --log {{logs}}/auctionnet --seed {seed}" for seed in range(3)),
            f"bidpilot auctionnet {{logs}}/auctionnet {{logs}}/auctionnet-test --agents {_PUBLISHED} mpc_tuned "
            "ppo@{runs} --json {json}",
        ),
    ),
    Measurement(
        "rivals",
        40,
        (
            *_AUCTIONNET,
            *(f"bidpilot train --log {{logs}}/auctionnet --seed {seed}" for seed in range(3)),
            "bidpilot rivals {logs}/auctionnet --seeds 0 1 2 --steps 10000 --days 256",
            "bidpilot auctionnet {logs}/auctionnet {logs}/auctionnet-test --agents online_lp adaptive ppo@{runs} iql "
            "cql --json {json}",
        ),
        usual=False,  # it wants the environment of `make rivals`
    ),
    Measurement(
        "auctionnet-left-out",
        45,
        (
            _AUCTIONNET[0],
            *(
                f"bidpilot train --log {{logs}}/auctionnet --hold-out {advertiser} --seed {seed}"
                for advertiser in (0, 27)
                for seed in range(3)
            ),
            f"{_LEFT_OUT} ppo --json {{json}}",
        ),
    ),
    Measurement("auctionnet-money", 1, (_AUCTIONNET[0], f"{_LEFT_OUT} --carries money --json {{json}}")),
    Measurement(
        "ipinyou", 1, ("bidpilot ipinyou {data}/ipinyou/1458-train.txt {data}/ipinyou/1458-test.txt --json {json}",)
    ),
    Measurement("intervals", 20, ("python benchmarks/intervals.py",)),
    Measurement(
        "traffic",
        2,
        ("bidpilot traffic --days 256 --seed 3 --figure docs/traffic.png --json {json}",),
        drops=("gain_by_day",),
    ),
    Measurement(
        "risks",
        1,
        ("bidpilot risks --days 256 --seed 3 --json {json}",),
        keeps=lambda row: isinstance(row, dict) and "likelihood" in row,
        drops=("evidence",),
    ),
    Measurement("game-day", 1, ("python -m tests.game_day.game_day --alone --json {json}",)),
    Measurement("game-days", 2, ("python -m tests.game_day.game_day --seeds 12 --json {json}",)),
    Measurement("honest-days", 3, ("python -m tests.game_day.game_day --days 30 --json {json}",)),
    Measurement(
        "alerts",
        3,
        ("bidpilot alerts --seed 3 --figure docs/alerts.png --json {json}",),
        drops=("found_by_slot",),
    ),
    Measurement("honest", 4, ("bidpilot incidents honest --seed 3 --json {json}",)),
    Measurement(
        "experiments",
        2,
        (
            "bidpilot ab plan --days 1024 --json {json}",
            "bidpilot ab simulate --experiments 1000 --figure docs/experiments.png --json {json}",
            *(
                f"bidpilot ab run --arms plan plan*1.5 --design {design} --days {days} --json {{json}}"
                for design, days in (("switchback", 1024), ("split", 512), ("shared", 512))
            ),
        ),
        drops=("metrics", "notes", "covariates", "split_evidence"),
    ),
    Measurement(
        "what-if",
        5,
        ("bidpilot simulate examples/cpa.yaml --check --figure docs/what_if.png --json {json}",),
        keeps=lambda row: isinstance(row, dict) and "worst" in row,
    ),
    Measurement(
        "off-policy",
        10,
        ("bidpilot off-policy check --candidates 100 --copies 2 --seed 3 --figure docs/off_policy.png --json {json}",),
        keeps=lambda row: "covered" in row,
    ),
    Measurement(
        "answering",
        25,
        (
            "python docs/answering.py {data}/auctionnet/period-*.parquet --json {json}",
            *(
                f"bidpilot train --market {market} --seed {seed}"
                for market in ("rivals", "rivals_fixed")
                for seed in range(3)
            ),
            "bidpilot evaluate --agents plan pid adaptive ppo@{run[0]},{run[1]},{run[2]} "
            "ppo@{run[3]},{run[4]},{run[5]} --suites rivals --days 256 --pairs all --json {json}",
            "bidpilot market --all plan mpc adaptive ppo@{run[0]} --days 6 --figure docs/answering.png --json {json}",
        ),
        drops=(*_UNSHOWN, "mean_low", "mean_high"),
    ),
    Measurement("quality", 1, ("python examples/quality_exposure.py --json {json}",)),
    Measurement("market", 1, ("python docs/market.py --json {json}",)),
    Measurement(
        "ablation",
        45,
        ("bidpilot ablate --seeds 0 1 --days 128 --out docs/ablation.md --json {json}",),
        keeps=is_pair,
        usual=False,
    ),
    Measurement("serving", 3, ("nice -n -15 python benchmarks/serving.py",), usual=False),
)
MEASUREMENTS = {measurement.name: measurement for measurement in _ALL}
