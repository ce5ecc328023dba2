"""Texts of what agents stand on: market, plans and bid server; and of how everything is measured."""

from __future__ import annotations

import textwrap

from bidpilot.envs.markets.fitted import published
from bidpilot.envs.markets.presets import DAILY
from docs.figures.catalogue import MEASUREMENTS, TRAININGS
from docs.figures.record import Records, Row
from docs.figures.words import NUMBERS, WIDTH, Text, block, origin, own_commands, paragraph, percent, table


def _made(records: Records) -> str:
    lines = []
    for name, measurement in MEASUREMENTS.items():
        shared = "the three trainings, then " if TRAININGS[0] in measurement.commands and name != "suites" else ""
        commands = "<br>".join(f"`{command}`" for command in own_commands(name))
        lines.append([name, shared + commands, origin(records[name]) if name in list(records) else "not measured yet"])
    return table(["what", "commands", "measured"], lines)


def _suites_made(records: Records) -> str:
    return block("suites")


def _ablation_made(records: Records) -> str:
    return block("ablation")


def _intervals(records: Records) -> str:
    """Coverage by the number of groups, over laws, trims and days a group."""
    cells: dict[int, list[Row]] = {}
    for row in records["intervals"].rows:
        cells.setdefault(int(row["name"].split("_")[-2]), []).append(row)
    lines = []
    for groups, rows in sorted(cells.items()):
        ends = [[percent(end([row[key] for row in rows]), 1) for end in (min, max)] for key in ("value", "baseline")]
        lines.append([str(groups), *(f"{low} to {high}" for low, high in ends)])
    return table(["groups", "intervals that hold the truth, least and most", "the same of the bootstrap"], lines)


def _quality(records: Records) -> str:
    record = records["quality"]
    names = {
        "one constant": "one constant, the best of each day",
        "plan": "plan",
        "re-planned": "plan, re-planned each slot",
    }
    lines = []
    for side, name in names.items():
        row = record.one(side=side)
        gain = f"{100 * row['gain']:+.1f} % ({100 * row['gain_low']:.1f} to {100 * row['gain_high']:.1f})"
        lines.append(
            [
                name,
                f"{row['quality_exposures']:.0f}",
                "" if side == "one constant" else gain,
                f"{row['quality']:.0f}",
                f"{row['head_per_tail']:.2f} : 1",
                percent(row["of_optimum"]),
            ]
        )
    return table(["", "quality exposures", "gain", "sum of quality", "head : tail", "of the hindsight optimum"], lines)


def _quality_days(records: Records) -> str:
    return f"{records['quality'].one(side='plan')['days']} held-out days"


def _calibration(records: Records) -> str:
    demand, curve = published.AVITO_HOURLY_DEMAND, published.AUCTIONNET_PRICE_CURVE
    rows = [
        (
            "mean and spread of prices",
            "iPinYou, eight campaigns with equal weight",
            f"{published.IPINYOU_MEAN_PRICE / 1000:.4f} currency, log-std {published.IPINYOU_PRICE_LOG_STD}",
        ),
        (
            "spread of values, their correlation with prices in a segment",
            "AuctionNet, within time steps",
            f"{published.AUCTIONNET_VALUE_LOG_STD}, {published.AUCTIONNET_VALUE_PRICE_CORRELATION:.2f}",
        ),
        ("... and over all auctions", "iPinYou, campaign 1458", f"{published.IPINYOU_VALUE_PRICE_CORRELATION:.2f}"),
        (
            "demand over the hours",
            "Avito traffic shares",
            " to ".join(f"{end:.2f} ({demand.index(end)} h)" for end in (min(demand), max(demand))) + " of the mean",
        ),
        (
            "prices over the day, jump at a block's start",
            "AuctionNet",
            f"{min(curve):.2f} to {max(curve):.2f}; {percent(DAILY.price_jump)}, falling with {DAILY.price_jump_decay} "
            "slots",
        ),
        (
            "true against predicted conversion",
            "AuctionNet, pValueSigma / pValue",
            f"{published.AUCTIONNET_PREDICTION_STD}",
        ),
        ("levels of blocks (`daily`)", "AuctionNet, periods 0 to 9", "the table below"),
    ]
    return table(["what", "from", "number"], rows)


def _levels(records: Records) -> str:
    daily, lines = records["market"].one(market="daily"), []
    for level in ("value_level", "traffic", "value_per_price", "price_level"):
        recorded = getattr(published, f"AUCTIONNET_{level.upper()}")
        both = [", ".join(f"{quantile:.3f}" for quantile in found) for found in (recorded, daily[level])]
        lines.append([level.replace("_", " "), *both])
    return table(["", "AuctionNet", "`daily`"], lines)


def _kpi_correlations(records: Records) -> str:
    daily = records["market"].one(market="daily")
    return f"{daily['least_kpi_correlation']:.1f} to {daily['greatest_kpi_correlation']:.1f}"


def _day_of_daily(records: Records) -> str:
    daily = records["market"].one(market="daily")
    return paragraph(
        f"A day of {round(daily['auctions'], -2):,.0f} auctions costs about {daily['cost']:.0f} in all and is worth "
        f"about {daily['conversion_worth']:.0f} in conversions; the default budget is {DAILY.budget:g}."
    )


def _training_minutes(records: Records) -> str:
    seconds = [s.seconds for s in records["suites"].steps if s.command in TRAININGS and s.seconds is not None]
    minutes = max(1, round(sum(seconds) / len(seconds) / 60))
    return f"about {NUMBERS[minutes] if minutes < len(NUMBERS) else minutes} minute{'s' if minutes > 1 else ''}"


def _serving(records: Records) -> str:
    record = records["serving"]
    own, other = (record.one(name=name) for name in ("http_throughput", "model_server"))
    late, bills = (record.one(name=name)["value"] for name in ("http_p99_at_half", "http_with_bills"))
    words = (
        f"{own['value'] / other['value']:.0f} times the requests per second of `mlflow models serve` with the same "
        f"policy ({own['value']:,.0f} against {other['value']:,.0f}), {late:.1f} ms at the 99th percentile of about "
        f"half that load in bursts of 8, and {round(bills, -2):,.0f} requests a second where every other one is a bill "
        "that is on disk before it is acknowledged"
    )
    return textwrap.fill(words, WIDTH, initial_indent=" " * 110, subsequent_indent="  ").lstrip()


TEXTS: dict[str, Text] = {
    "made": _made,
    "suites-made": _suites_made,
    "ablation-made": _ablation_made,
    "intervals": _intervals,
    "quality": _quality,
    "quality-days": _quality_days,
    "calibration": _calibration,
    "levels": _levels,
    "kpi-correlations": _kpi_correlations,
    "day-of-daily": _day_of_daily,
    "training-minutes": _training_minutes,
    "serving": _serving,
}
