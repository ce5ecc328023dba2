"""Texts of what agents reach on the suites and on the stress markets, and without parts of training."""

from __future__ import annotations

from bidpilot.training.evaluation.catalogue import SUITES
from docs.figures.record import POOLED, Record, Records, Row
from docs.figures.words import Text, judged, listed, paragraph, percent, seeds, short, signed, span, table, verdict

_RIVALS = ("mpc_informed", "mpc", "adaptive", POOLED, "pid", "dual_descent", "plan")
_WORTH_TELLING = 0.002  # of R / R*
_CHOICE = POOLED.replace("ppo@", "choice@", 1)


def _headline(records: Records) -> str:
    record, suites = records["suites"], ("steady", "daily", "shift")
    agents = sorted((*_RIVALS, "constant"), key=lambda agent: -record.one(agent=agent, suite="daily")["iqm"])
    shown = {"mpc_informed": "mpc_informed (told the levels to come)"}
    rows = [
        [shown.get(a, short(a)), *(f"{record.one(agent=a, suite=suite)['iqm']:.4f}" for suite in suites)]
        for a in agents
    ]
    return f"{_caption(record)}\n\n{table(['agent', *(f'`{suite}`' for suite in suites)], rows)}"


def _caption(record: Record) -> str:
    days = record.one(agent=POOLED, suite="daily")["days"]
    return paragraph(
        f"R / R* on {days} held-out days a suite, interquartile mean; `ppo` is one policy over {seeds(record)} "
        "training seeds:"
    )


def _headline_pairs(records: Records) -> str:
    record = records["suites"]
    beside_pid = judged([record.pair(POOLED, "pid", "daily")], 3)
    mpc, adaptive = (worth_telling(_pairs_with(other, record)) for other in ("mpc", "adaptive"))
    return paragraph(
        f"Paired by day with `mpc` over {len(record.suites())} suites `ppo` {mpc}. Beside `adaptive`, to whose re-plan "
        f"it adds, it {adaptive} (95 % intervals over days, on `worlds` over worlds). Beside `pid` it {beside_pid}. On "
        "`shift` demand runs over the day as in no market that it was trained on."
    )


def worth_telling(pairs: list[Row]) -> str:
    """Every loss, and what is gained where that is 0.002 or more; how many suites there are besides."""
    told = [pair for pair in pairs if verdict(pair) == "loses" or pair["diff"] >= _WORTH_TELLING]
    others = len(pairs) - len(told)
    return f"{judged(told, brief=True)}; on the {others} others it gains less, or is level"


def _pairs_with(other: str, record: Record) -> list[Row]:
    return [record.pair(POOLED, other, suite) for suite in record.suites()]


def _suites(records: Records) -> str:
    record = records["suites"]
    rows = [
        [f"`{suite}`", SUITES[suite].breaks, *(_iqm(record, agent, suite) for agent in _RIVALS)]
        for suite in record.suites()
    ]
    return f"{_caption(record)}\n\n{table(['suite', 'what it tries to break', *map(short, _RIVALS)], rows)}"


def _iqm(record: Record, agent: str, suite: str) -> str:
    """An agent's interquartile mean; nothing where it has not been played."""
    played = [row for row in record.rows if row.get("suite") == suite and row.get("agent") == agent and "iqm" in row]
    return f"{played[0]['iqm']:.4f}" if played else ""


def _choice(records: Records) -> str:
    """What is exported beside the best of policy and controllers, by suite: the most that the choice gives away."""
    record, rows = records["suites"], []
    for suite in record.suites():
        means = {agent: record.one(agent=agent, suite=suite)["mean"] for agent in ("mpc", "adaptive", POOLED, _CHOICE)}
        best = max(("mpc", "adaptive", POOLED), key=lambda agent: means[agent])
        lost = means[_CHOICE] - means[best]
        rows.append((lost, f"{signed(lost)} on `{suite}`, where `{short(best)}` is best"))
    lost, told = min(rows)
    return "never below the best of `mpc`, `adaptive` and the policy" if lost >= 0 else f"at worst {told}"


def _stress(records: Records) -> str:
    """Differences to `mpc` on each market with one thing unforeseen, and their mean."""
    record = records["stress"]
    agents = [
        agent for agent in ("adaptive", "knowable", POOLED, _CHOICE) if any(r["agent"] == agent for r in record.rows)
    ]
    lines = []
    for market in record.suites():
        pairs = [record.pair(agent, "mpc", market) for agent in agents]
        lines.append([market, *(f"{signed(pair['diff'])} ({_together(pair)})" for pair in pairs)])
    return table(["`daily`, but for", *(f"`{short(agent)}` - `mpc`" for agent in agents)], lines)


def _together(pair: Row) -> str:
    """The interval that holds with those of the other markets; of the mean, its own."""
    ends = ("together_low", "together_high") if "together_low" in pair else ("diff_low", "diff_high")
    return f"{signed(pair[ends[0]])} .. {signed(pair[ends[1]])}"


def _pairs(records: Records) -> str:
    record = records["suites"]
    gaps = {"gap_closed": "mpc_informed"}
    if any(row.get("knowable_closed") is not None for row in record.rows):
        gaps["knowable_closed"] = "knowable"
    rows = []
    for pair in sorted(_pairs_with("mpc", record), key=lambda pair: -pair["diff"]):
        single = [
            row["iqm"]
            for row in record.rows
            if row["suite"] == pair["suite"] and row["agent"] in {f"ppo@{place}" for place in POOLED[4:].split(",")}
        ]
        own, closed = record.one(agent=POOLED, suite=pair["suite"]), record.pair("adaptive", "mpc", pair["suite"])
        rows.append(
            [
                f"`{pair['suite']}`",
                *(f"{signed(p['diff'])} ({signed(p['diff_low'])} .. {signed(p['diff_high'])})" for p in (closed, pair)),
                *("" if own.get(key) is None else percent(own[key]) for key in gaps),
                f"{min(single):.4f} .. {max(single):.4f}",
            ]
        )
    shares = [f"share of the gap to `{name}`" for name in gaps.values()]
    return table(["suite", "adaptive - mpc", "ppo - mpc", *shares, "single seeds"], rows)


def _to_bound(records: Records) -> str:
    return f"{records['suites'].one(agent=POOLED, suite='first_price')['to_bound']:.3f}"


def _first_price(records: Records) -> str:
    """R / R* at first price beside R over the bound at market prices, the best first."""
    record = records["suites"]
    rows = [row for row in record.rows if row.get("suite") == "first_price" and "iqm" in row]
    whole = [row for row in rows if "@" not in row["agent"] or row["agent"] == POOLED]
    lines = [
        [
            f"`{short(row['agent'])}`",
            f"{row['iqm']:.4f}",
            f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}",
            f"{row['mean']:.4f}",
            f"{row['to_bound']:.4f}",
        ]
        for row in sorted(whole, key=lambda row: -row["iqm"])
    ]
    return table(["agent", "R / R*", "95 % interval", "mean", "of the bound"], lines)


def _targets_missed(records: Records) -> str:
    row = records["suites"].one(agent="mpc", suite="cpa")
    return f"{percent(row['violation_rate'])} of days, by {percent(row['violation_size'])} on average"


def _gains_on_shift(records: Records) -> str:
    record = records["gains-on-shift"]
    (chosen,) = [row for row in record.rows if "chosen_on" in row]
    there, home = (record.one(agent="mpc_chosen", suite=suite) for suite in ("shift", "daily"))
    pairs = [record.pair(POOLED, "mpc_chosen", suite) for suite in ("shift", "daily")]
    settings = ", ".join(f"{name} {chosen[name]:g}" for name in ("gain", "early", "late"))
    words = (
        f"`mpc` has neutral gains in these tables. Of {chosen['tried']} gains tried on {chosen['days']} days of "
        f"`shift` with another seed the best ({settings}) has {there['iqm']:.4f} there and {home['iqm']:.4f} on "
        f"`daily`; beside it `ppo` {judged(pairs)}."
    )
    if [verdict(pair) for pair in pairs] == ["loses", "gains"]:
        words += (
            " What `ppo` gains on `shift` is what one setting for both gains, not what a controller that knew the "
            "regime could not have."
        )
    return paragraph(words)


def _margins(records: Records) -> str:
    steps = [step for step in records["margins"].steps if step.rows]
    by_margin = {"0": records["suites"].rows}
    by_margin |= {step.command.partition("--cpa-margin ")[2].split()[0]: step.rows for step in steps}
    agents, lines = ("mpc", POOLED, "plan"), []
    for margin, rows in by_margin.items():
        here = {row["agent"]: row for row in rows if row["suite"] == "cpa" and "iqm" in row}
        shown = [f"{here[agent]['iqm']:.4f}, {percent(here[agent]['violation_rate'])}" for agent in agents]
        lines.append([margin, *shown])
    return table(["margin", "mpc: R / R*, days over the target", *map(short, agents[1:])], lines)


def _fronts(records: Records) -> str:
    record = records["fronts"]
    told = []
    for agent in ("mpc", POOLED, "mpc_informed"):
        row = record.one(agent=agent, suite="daily")
        over = f" over {seeds(record)} seeds" if agent == POOLED else ""
        told.append(
            f"{percent(row['hypervolume_share'], 1)} and {percent(row['worst_loss'], 1)} for `{short(agent)}`{over}"
        )
    return paragraph(f"On `daily` these are {listed(told)}.")


def _imitation(records: Records) -> str:
    record = records["ablation"]
    steps = judged([record.pair("full", "imitation", suite) for suite in record.suites()], brief=True)
    return paragraph(f"Beside imitation alone, the policy after PPO's steps {steps} (`full` beside `imitation` below).")


def _limit(records: Records) -> str:
    lines = []
    for row in records["limit"].rows:
        spans = [
            f"{row[name]:.4f} ({span(row[f'{name}_low'], row[f'{name}_high'])})" for name in ("bound", "mean", "room")
        ]
        penalty = f"{signed(row['penalty'])} ({span(row['penalty_low'], row['penalty_high'])})"
        lines.append([f"`{row['suite']}`", f"`{row['agent']}`", *spans, penalty])
    head = ["suite", "agent", "nobody passes", "it has", "can be won over it at most", "mean of its penalty"]
    return table(head, lines)


TEXTS: dict[str, Text] = {
    "limit": _limit,
    "headline": _headline,
    "headline-pairs": _headline_pairs,
    "suites": _suites,
    "pairs": _pairs,
    "choice": _choice,
    "stress": _stress,
    "to-bound": _to_bound,
    "first-price": _first_price,
    "targets-missed": _targets_missed,
    "gains-on-shift": _gains_on_shift,
    "margins": _margins,
    "fronts": _fronts,
    "imitation": _imitation,
}
