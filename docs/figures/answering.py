"""Texts of the market of rivals: how it spreads beside AuctionNet, who does how well in it, and if all are alike."""

from __future__ import annotations

from docs.figures.record import Records, Row
from docs.figures.words import Text, listed, percent, short, table, verdict

_RECORD = "answering"
IN_IT, FIXED = "ppo@0,1,2", "ppo@3,4,5"
"""The policy trained in the market, over its seeds, and that trained at the prices that rivals make alone."""
_WORDS = {IN_IT: "`ppo`, trained in it", FIXED: "`ppo`, trained at fixed prices"}
_SHOWN = ("mpc_informed", IN_IT, FIXED, "adaptive", "mpc", "pid", "plan")


def _spread(records: Records) -> str:
    rows = [row for row in records[_RECORD].rows if "market" in row]
    names = {
        "price_log_std": "log-std of prices within a day",
        "price_quantiles": "prices over their mean, 10, 50, 90 %",
        "value_per_price": "value per price over its median, 75, 90, 97, 99 %",
        "value_level": "value of a block, 10, 50, 90 %",
        "price_level": "price of a block",
        "value_per_price_level": "value per price of a block",
        "traffic": "traffic of a half-block",
        "price_in_block": "price of a block's eight slots over its mean",
    }
    lines = [[words, *(_numbers(row, key) for row in rows)] for key, words in names.items()]
    return table(["", *(row["market"] for row in rows)], lines)


def _numbers(row: Row, key: str) -> str:
    found = row[key] if isinstance(row[key], list) else [row[key]]
    return " ".join(f"{value:.2f}" for value in found[key == "value_per_price" :])


def _suite(records: Records) -> str:
    record, lines = records[_RECORD], []
    for agent in _SHOWN:
        row = record.one(agent=agent, suite="rivals")
        ends = f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}"
        lines.append([_name(agent), f"{row['iqm']:.4f}", ends, percent(row["spend_share"], 1)])
    return table(["agent", "R / R*", "95 % interval", "spent"], lines)


def _name(agent: str) -> str:
    return _WORDS.get(agent, f"`{short(agent)}`")


def _learnt(records: Records) -> str:
    record = records[_RECORD]
    inside = record.pair(IN_IT, FIXED, "rivals")
    beside = [(agent, record.pair(agent, "mpc", "rivals")) for agent in (IN_IT, FIXED)]
    said = [f"{_name(agent)}, {verdict(pair)} {_ends(pair)} on `mpc`" for agent, pair in beside]
    return (
        f"over three seeds, {listed(said)}; beside the second the first {_told(inside)} {_ends(inside)}, paired by day "
        f"over {inside['groups']} days"
    )


def _told(pair: Row) -> str:
    word = verdict(pair)
    return f"is {word}," if word == "level" else word


def _ends(pair: Row) -> str:
    return f"{pair['diff']:+.4f} ({pair['diff_low']:+.4f} .. {pair['diff_high']:+.4f})"


def _all(records: Records) -> str:
    lines = []
    for row in (row for row in records[_RECORD].rows if "money_left" in row):
        ratio = (
            "" if row["ratio"] is None else f"{row['ratio']:.4f} ({row['ratio_low']:.4f} .. {row['ratio_high']:.4f})"
        )
        worst = "" if row["ratio_p10"] is None else f"{row['ratio_p10']:.4f}"
        paid = f"{row['price']:.4f} ({row['price_low']:.4f} .. {row['price_high']:.4f})"
        who = "their own pacing" if row["all"] == "rivals" else f"`{row['all'].partition('@')[0]}`"
        swing, left = f"{row['price_swing']:.2f}", percent(row["money_left"], 1)
        lines.append([who, paid, swing, ratio, worst, f"{row['gini']:.3f}", left])
    return table(["all 48 are", "paid for an auction", "swing", "R / R*", "a tenth below", "Gini", "money left"], lines)


TEXTS: dict[str, Text] = {
    "answering-spread": _spread,
    "answering-suite": _suite,
    "answering-learnt": _learnt,
    "answering-all": _all,
}
