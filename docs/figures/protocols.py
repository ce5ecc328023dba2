"""Texts of what agents reach under published protocols, and what the traffic detector does."""

from __future__ import annotations

import numpy as np

from bidpilot.training.evaluation.rows import pair_row
from docs.figures.record import POOLED, Record, Records, Row
from docs.figures.words import LEARNED, Text, listed, paragraph, percent, said, seeds, short, signed, span, table


def _rates(records: Records) -> str:
    """Each advertiser by what is known of the other: what rates and money make of it, and the difference by day."""
    rates, money = records["auctionnet-left-out"], records["auctionnet-money"]
    lines = []
    for suite in rates.suites():
        score = "budgets alone" if suite.endswith("without targets") else "target costs"
        for agent in ("mpc", "plan"):
            own, other = (record.one(agent=agent, suite=suite) for record in (rates, money))
            gap = np.array(own["ratios"]) - np.array(other["ratios"])
            pair = pair_row(suite, agent, agent, gap, np.array(own["units"]), 0)
            beside = f"{signed(pair['diff'], 3)} ({span(pair['diff_low'], pair['diff_high'], 3)})"
            lines.append([f"`{agent}`", score, f"{other['iqm']:.3f}", f"{own['iqm']:.3f}", beside])
    return table(["agent", "scored under", "money", "rates", "difference of means, 95 % interval"], lines)


def _auctionnet(records: Records) -> str:
    record = records["auctionnet"]
    lead = f"On {_days(record)} days of other advertisers than those of training; `ppo` is one policy over"
    return f"{paragraph(f'{lead} {seeds(record)} training seeds:')}\n\n{_scores(record)}"


def _auctionnet_rivals(records: Records) -> str:
    record = records["rivals"]
    lead = (
        "Published offline learners, trained on the same log and played on the same days; `iql`, `cql` and `ppo` are "
        f"each one policy over {seeds(record)} training seeds:"
    )
    return f"{paragraph(lead)}\n\n{_scores(record)}"


def _auctionnet_left_out(records: Records) -> str:
    record = records["auctionnet-left-out"]
    lead = (
        f"Each advertiser of the training log by what is known of the other, {_days(record)} days; `ppo` is one policy"
    )
    return f"{paragraph(f'{lead} a part over {seeds(record)} training seeds:')}\n\n{_scores(record)}"


def _auctionnet_pairs(records: Records) -> str:
    left_out, test = records["auctionnet-left-out"], records["auctionnet"]
    return paragraph(
        f"On {_days(left_out)} recorded AuctionNet days, each advertiser by what is known of the other, `ppo` over "
        f"{seeds(left_out)} seeds is paired by day, with intervals by period: {_beside(left_out)} On {_days(test)} "
        "days of four more, which count as seen since design choices have looked at them: "
        f"{_beside(test)}"
    )


def _scores(record: Record) -> str:
    """Both scores of every agent, the best under target costs first."""
    targets, budgets = record.suites()
    whole = [row for row in record.rows if "iqm" in row and ("@" not in row["agent"] or row["agent"] == POOLED)]
    lines = []
    for row in sorted((row for row in whole if row["suite"] == targets), key=lambda row: -row["iqm"]):
        (other,) = [r for r in whole if (r["agent"], r["suite"]) == (row["agent"], budgets)]
        both = [f"{r['iqm']:.3f} ({span(r['ci_low'], r['ci_high'], 3)})" for r in (row, other)]
        counted = [f"{row['score']:.2f}", f"{row['realised_score']:.2f}", percent(row["violation_rate"])]
        lines.append([f"`{short(row['agent'])}`", both[0], *counted, both[1]])
    head = ["agent", "R / R* under target costs", "conversions that count, a day", "of those drawn"]
    return table([*head, "days over the target", "R / R* under budgets alone"], lines)


def _beside(record: Record) -> str:
    """The policy paired with `mpc` and online LP under both scores, a sentence."""
    (learned,) = {row["agent"] for row in record.rows if row["agent"] in LEARNED}
    clauses = []
    for suite, score in zip(record.suites(), ("under target costs", "under budgets alone"), strict=True):
        beside = [f"{said(record.pair(learned, other, suite), 3)} beside `{other}`" for other in ("mpc", "online_lp")]
        clauses.append(f"{score} it {listed(beside)}")
    return f"{'; '.join(clauses)}."


def _days(record: Record) -> int:
    (days,) = {row["days"] for row in record.rows if "days" in row}
    return int(days)


def _ipinyou(records: Records) -> str:
    record = records["ipinyou"]
    lines = []
    for row in sorted((row for row in record.rows if row.get("share", 1) is None), key=lambda row: -row["expected"]):
        pair = next((p for p in record.rows if p["agent"] == row["agent"] and p.get("kind") == "expected clicks"), None)
        numbers = [] if pair is None else [signed(pair[key], 1) for key in ("diff", "diff_low", "diff_high")]
        beside = "{} ({} .. {})".format(*numbers) if numbers else ""
        share = percent(row["win_rate"], 1)
        lines.append([f"`{row['agent']}`", f"{row['expected']:.1f}", beside, str(row["clicks"]), share])
    head = ["agent", "expected clicks", "beside `rlb`, 95 % interval", "clicks", "win rate"]
    return table(head, lines)


def _traffic(records: Records) -> str:
    head = ["market", "bar", "gain", "95 % interval", "share of the told filter's", "honest refused", "refused whole"]
    lines = []
    for row in records["traffic"].rows:
        share = "" if row["share"] is None else f"{row['share']:.2f}"
        ends = "" if row["gain_low"] is None else f"{signed(row['gain_low'])} .. {signed(row['gain_high'])}"
        refused = [percent(row[key], 2) for key in ("honest_refused", "honest_closed")]
        lines.append([row["market"], _bar(row), signed(row["gain"]), ends, share, *refused])
    return table(head, lines)


def _bar(row: Row) -> str:
    if row["bar"] is None:
        return ""
    bar = f"share {row['bar']:.2f}" if row["bar_of"] == "share" else signed(row["bar"])
    return bar + {None: "", True: ", met", False: ", missed"}[row["met"]]


def _traffic_found(records: Records) -> str:
    found = ["of it refused", "precision", "recall", "slots to detection"]
    head = ["market", "invalid traffic", *found, "spent on it without", "with"]
    lines = []
    for row in records["traffic"].rows:
        if row["invalid_share"] > 0:
            known = ["" if row[key] is None else f"{row[key]:.2f}" for key in ("precision", "recall")]
            slots = "" if row["slots_to_detection"] is None else f"{row['slots_to_detection']:.0f}"
            spent = [percent(row[key], 1) for key in ("wasted_before", "wasted_after")]
            invalid = [percent(row["invalid_share"], 1), percent(row["caught"])]
            lines.append([row["market"], *invalid, *known, slots, *spent])
    return table(head, lines)


TEXTS: dict[str, Text] = {
    "rates": _rates,
    "auctionnet": _auctionnet,
    "auctionnet-left-out": _auctionnet_left_out,
    "auctionnet-rivals": _auctionnet_rivals,
    "auctionnet-pairs": _auctionnet_pairs,
    "ipinyou": _ipinyou,
    "traffic": _traffic,
    "traffic-found": _traffic_found,
}
