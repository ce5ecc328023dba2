"""The loop's checks see what they are for: one bill, one row, one millionth that goes missing between two parts."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.serving.ledger.store import AccountState
from tests.loop import loop
from tests.loop.books import differences, in_micro, tally
from tests.loop.exchange import cluster
from tests.loop.registry import Decision
from tests.loop.room import SIZES, CommandFailed, JointBroken, Room
from tests.loop.source import (
    AMOUNTS,
    BOTS,
    BURST,
    CONVERSION_VALUE,
    KPIS,
    MICRO,
    REASONS,
    Source,
    draw,
    flooded,
    write_csv,
)
from tests.loop.steps import (
    crown,
    decisions,
    evaluate,
    import_decisions,
    import_logs,
    promote,
    second_market,
    serve,
)
from tests.loop.steps.export import SEGMENTS

BUDGET = 6.0
DAYS = ("2026-03-02", "2026-03-03")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path, SIZES["small"], np.random.default_rng(0))


def entry(day: str, slot: int, result: str, price: int, **others: Any) -> dict[str, Any]:
    won = result == "won"
    return {
        "day": day, "slot": slot, "request_id": f"{day}-{slot}-{price}", "key": f"{day}-{slot}-{price}",
        "segment": SEGMENTS[slot % 4], "source": slot, "price": price, "exposure": 600_000 + slot,
        "interaction": 70_001, "conversion": 4_003, "bid": price + 10 if won else price - 10, "result": result,
        "cost": price if won else 0, "interacted": 0, "converted": 0, "views": 0, "bot": False,
        "priced": result != "expired", **others,
    }  # fmt: skip


@pytest.fixture
def books() -> pl.DataFrame:
    """Two days of an exchange: 3 wins for 250,003 millionths, 2 losses, 1 bid that was never heard of again."""
    first, second = DAYS
    return pl.DataFrame(
        [
            entry(first, 0, "won", 50_001, interacted=5, converted=1, views=1),
            entry(first, 0, "lost", 80_000),
            entry(first, 3, "won", 100_001),
            entry(first, 3, "expired", 60_000),
            entry(second, 1, "won", 100_001, interacted=1),
            entry(second, 2, "lost", 90_000),
        ]
    )


def logged(books: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The decision log of a server without a fault: rows and outcomes."""
    in_currency = [(pl.col(c) / MICRO).alias(c) for c in (*KPIS, "cost", "bid")]
    price = pl.when("priced").then(pl.col("price") / MICRO).alias("market_price")
    rows = books.select(pl.col("day").alias("date"), "slot", "key", "segment", "source", "result", *in_currency, price)
    told = books.filter((pl.col("interacted") > 0) | (pl.col("converted") > 0))
    outcomes = told.select(
        "key", event=pl.lit("like"), count=pl.lit(1), interaction=pl.col("interacted") * 1.0,
        conversion=pl.col("converted") * 1.0,
    )  # fmt: skip
    views = books.filter(pl.col("views") > 0)
    views = views.select("key", event=pl.lit("view"), count=pl.lit(1), interaction=0.0, conversion=0.0)
    return rows, pl.concat([outcomes, views])


def changed(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    """The table with one row that differs."""
    here = pl.int_range(pl.len()) == row
    return frame.with_columns(pl.when(here).then(pl.lit(v)).otherwise(pl.col(c)).alias(c) for c, v in values.items())


def broken(joint: str) -> Any:
    return pytest.raises(JointBroken, match=f"^{re.escape(joint)}")


# --- what tables are compared by -----------------------------------------------------------------


def test_float32_amounts_round_to_the_millionths_that_they_were() -> None:
    whole = np.array([1, 50_001, 999_999, 15_999_999, 16_000_000])
    frame = pl.DataFrame({"price": (whole / MICRO).astype(np.float32)})
    assert in_micro(frame, "price")["price"].to_list() == whole.tolist()


def test_differences_name_cells_on_either_side_that_the_other_lacks(books: pl.DataFrame) -> None:
    whole = tally(books, ("cost",))
    assert differences(whole, whole) == []
    assert whole.rows() == [
        (DAYS[0], 0, 2, 50_001), (DAYS[0], 3, 2, 100_001), (DAYS[1], 1, 1, 100_001), (DAYS[1], 2, 1, 0),
    ]  # fmt: skip
    part = whole.slice(1)
    assert differences(part, whole)[0] == "2026-03-02 slot 0: auctions 0 came out, 2 went in"
    assert differences(whole, part)[1] == "2026-03-02 slot 0: cost 50001 came out, 0 went in"


# --- the joints, each with a fault ---------------------------------------------------------------


def test_a_log_like_its_source_passes_and_one_price_a_millionth_off_does_not(room: Room) -> None:
    source = draw(0, 2, 100, np.random.default_rng(1))
    rows = write_csv(source, room.path("source.csv"))
    kept, folder = source.auctions.height, room.path("log")
    report = [rows, kept, rows - kept]
    write_log(folder, source.auctions, source)
    import_logs.check_log(room, "x", source, folder, report, rows)
    with broken("file -> x: rows in = kept + set aside"):
        import_logs.check_log(room, "x", source, folder, [rows, kept - 1, rows - kept + 1], rows)
    write_log(folder, changed(source.auctions, 7, price=int(source.auctions["price"][7]) + 1), source)
    with broken("file -> x: auctions, money, KPIs and outcomes per slot"):
        import_logs.check_log(room, "x", source, folder, report, rows)


def write_log(folder: Path, auctions: pl.DataFrame, source: Source) -> None:
    """An imported log as files."""
    folder.mkdir(exist_ok=True)
    records = [
        {"label": d, "unit": d, "budget": source.budget, "conversion_value": CONVERSION_VALUE} for d in source.days
    ]
    (folder / "log.json").write_text(json.dumps({"days": records, "segments": SEGMENTS}))
    aside = [str(i) for i, n in enumerate(REASONS) for _ in range(n)]
    pl.DataFrame({"reason": aside}).write_parquet(folder / "set_aside.parquet")
    segment = pl.concat_str("placement", pl.lit("/"), "content").replace_strict(SEGMENTS, range(len(SEGMENTS)))
    day = pl.col("day").replace_strict(source.days, range(len(source.days)))
    auctions.select(
        day.alias("day"), "slot", segment.alias("segment"), "interacted", "converted",
        *((pl.col(c) / MICRO).cast(pl.Float32).alias(c if c != "price" else "market_price") for c in AMOUNTS),
    ).write_parquet(folder / "auctions.parquet")  # fmt: skip


def test_an_agent_that_passes_the_budget_or_leaves_out_a_day_is_seen(room: Room) -> None:
    names = ("mpc_informed", "plan", "mpc", "ppo@abc")
    rows: list[dict[str, Any]] = [{"agent": a, "days": 3, "spend_share": 0.99, "iqm": 0.9} for a in names]
    evaluate.check_rows(room, rows, 3)
    with broken("test -> evaluation: spend within the budget"):
        evaluate.check_rows(room, [*rows[:3], rows[3] | {"spend_share": 1.001}], 3)
    with broken("test -> evaluation: days"):
        evaluate.check_rows(room, [*rows[:3], rows[3] | {"days": 2}], 3)
    with broken("run -> evaluation: agents"):
        evaluate.check_rows(room, rows[:3], 3)


def test_a_forecast_that_a_second_market_changed_is_seen(room: Room) -> None:
    rows: list[dict[str, Any]] = [
        {"agent": "mpc", "iqm": 0.9, "other_market": False, "forecast_run": "a"},
        {"agent": "ppo@a", "iqm": 0.8, "other_market": False, "forecast_run": "a"},
    ]
    second_market.check_own(room, "test", rows, rows)
    with broken("two markets -> evaluation of test: rows of its own training"):
        second_market.check_own(room, "test", [rows[0] | {"iqm": 0.91}, rows[1]], rows)
    theirs = [rows[0] | {"run": None}, rows[1] | {"run": "a"}]
    second_market.check_forecast(room, theirs, "a")
    with broken("two markets -> evaluation of second-test: its own training"):
        second_market.check_forecast(room, [*theirs[:1], theirs[1] | {"run": "b"}], "a")
    second_market.check_scale(room, 0.9, 0.9 + 1e-7)
    with broken("two markets -> evaluation: free of the scale"):
        second_market.check_scale(room, 0.9, 0.91)
    crossed = [rows[0], rows[1] | {"agent": "ppo@b", "other_market": True}]
    second_market.check_crossed(room, crossed, rows, "a")
    with broken("policy of another market -> evaluation: who is marked"):
        second_market.check_crossed(room, rows, rows, "a")
    with broken("policy of another market -> evaluation: the forecast"):
        second_market.check_crossed(room, crossed, rows, "b")
    with broken("policy of another market -> evaluation: the controller's share"):
        second_market.check_crossed(room, [crossed[0] | {"iqm": 0.7}, crossed[1]], rows, "a")


def accounts(first: int, second: int, budget: int = int(BUDGET * MICRO)) -> dict[str, AccountState | None]:
    return {day: AccountState(budget, settled, 0, 0) for day, settled in zip(DAYS, (first, second), strict=True)}


def test_one_bill_that_was_dropped_breaks_the_ledger(room: Room, books: pl.DataFrame) -> None:
    budget = int(BUDGET * MICRO)
    serve.check_ledger(room, books, accounts(150_002, 100_001), budget)
    with broken("bills -> ledger on disk: settled"):
        serve.check_ledger(room, books, accounts(150_002, 0), budget)
    with broken("bills -> ledger on disk: settled"):
        serve.check_ledger(room, books, accounts(150_002, 100_001) | {DAYS[1]: None}, budget)
    with broken("bills -> ledger on disk: within the budget"):
        serve.check_ledger(room, books, accounts(150_002, 100_001, 150_000), 150_000)


def test_a_bill_that_was_counted_twice_breaks_the_counters(room: Room, books: pl.DataFrame) -> None:
    text = (
        "bidpilot_auctions_total 6.0\nbidpilot_bids_total 6.0\n"
        'bidpilot_notices_total{result="expired"} 1.0\nbidpilot_notices_total{result="settled"} 3.0\n'
    )
    sent = Counter(settled=3)
    serve.check_counters(room, books, sent, text)
    with broken("exchange -> server: notices"):
        serve.check_counters(room, books, sent, text.replace("3.0", "4.0"))
    with broken("exchange -> server: auctions"):
        serve.check_counters(room, books, sent, text.replace("auctions_total 6.0", "auctions_total 5.0"))


def test_a_server_that_spends_otherwise_than_evaluation_said_is_seen(room: Room, books: pl.DataFrame) -> None:
    auctions = pl.DataFrame({"day": DAYS})
    room.sources["served"] = Source(auctions, 0.5)
    room.books, room.expected_spend = books, 0.250003
    serve.check_parity(room)
    room.expected_spend = 0.26
    with broken("evaluation -> server"):
        serve.check_parity(room)


def test_a_decision_log_like_the_books_passes(room: Room, books: pl.DataFrame) -> None:
    decisions.check_decisions(room, books, *logged(books))


@pytest.mark.parametrize(
    ("row", "values", "joint"),
    [
        (0, {"result": "lost"}, "lost auctions per slot: 2026-03-02 slot 0: auctions 2 came out, 1"),
        (0, {"cost": 0.050002}, "auctions, cost and KPIs per slot: 2026-03-02 slot 0: cost 50002 came out, 50001"),
        (1, {"cost": 0.000001}, "auctions, cost and KPIs per slot: 2026-03-02 slot 0: cost 50002 came out, 50001"),
        (1, {"market_price": 0.080001}, "market prices per slot: 2026-03-02 slot 0: price 130002"),
        (1, {"market_price": None}, "market prices per slot: 2026-03-02 slot 0: auctions 1"),
        (2, {"slot": 4}, "auctions, cost and KPIs per slot: 2026-03-02 slot 3: auctions 1 came out, 2"),
        (3, {"result": "no_money"}, "expired auctions per slot: 2026-03-02 slot 3"),
        (4, {"conversion": 0.004004}, "auctions, cost and KPIs per slot: 2026-03-03 slot 1: conversion 4004"),
        (4, {"bid": 0.2}, "bids per slot: 2026-03-03 slot 1: bid 200000"),
        (5, {"segment": SEGMENTS[0]}, "segments and sources"),
    ],
)
def test_one_corrupted_row_breaks_the_decision_log(
    room: Room, books: pl.DataFrame, row: int, values: dict[str, Any], joint: str
) -> None:
    rows, outcomes = logged(books)
    with broken(f"exchange -> decision log: {joint}"):
        decisions.check_decisions(room, books, changed(rows, row, **values), outcomes)


def test_outcomes_told_twice_or_of_lost_bids_break_the_decision_log(room: Room, books: pl.DataFrame) -> None:
    rows, outcomes = logged(books)
    with broken(
        "exchange -> decision log: cost, KPIs and outcomes bought per slot: 2026-03-02 slot 0: interacted 10 came"
    ):
        decisions.check_decisions(room, books, rows, pl.concat([outcomes, outcomes.head(1)]))
    stray = outcomes.head(1).with_columns(key=pl.lit(str(rows["key"][1])))
    with broken("exchange -> decision log: outcomes of bids that did not win"):
        decisions.check_decisions(room, books, rows, pl.concat([outcomes, stray]))


@pytest.fixture
def flood() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ten requests of bots, six of them refused, and 990 of another publisher: books, and what was refused of them."""
    bots = [entry(DAYS[0], 9, "none", 50_000, key="" if n < 6 else str(n), bot=True, source=7) for n in range(10)]
    others = [entry(DAYS[0], 9, "lost", 50_000, source=8) for _ in range(990)]
    books = pl.DataFrame([*bots, *others])
    return books, books.head(6).select(pl.col("day").alias("date"), "slot", "source")


def test_bots_that_are_served_and_publishers_that_are_refused_are_seen(
    room: Room, flood: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    books, refused = flood
    decisions.check_refusals(room, books, refused, 6)
    with broken("server -> decision log: refused auctions: 6 came out, 7 went in"):
        decisions.check_refusals(room, books, refused, 7)
    with broken("bots -> server: refused: 5 of 10"):
        decisions.check_refusals(room, books, refused.head(5), 5)
    with broken("publishers -> server: not refused: 2 refused"):
        other = pl.concat([refused, refused.head(2).with_columns(source=pl.lit(8, pl.Int64))])
        decisions.check_refusals(room, books, other, 8)
    with broken("server -> exchange: sources and slots with bids on what was refused: 1 came out"):
        decisions.check_refusals(room, books, pl.concat([refused, refused.head(1)]), 7)


def test_a_refused_request_that_a_training_day_holds_is_seen(room: Room, books: pl.DataFrame) -> None:
    write_served_log(room.path("served"), books)
    room.refused = 1
    with broken("decision log -> log: rows set aside as refused: 0 came out, 1 went in"):
        import_decisions.check_served_log(room, books, room.path("served"), BUDGET)


def test_a_review_that_leaves_out_a_refusal_is_seen(room: Room) -> None:
    told = [{"source": cluster(BOTS), "slot": slot, "refused": 2} for slot in BURST]
    room.refused = 2 * len(BURST)
    import_decisions.check_review(room, {"by_server": told})
    with broken("decision log -> review: refused by the server"):
        import_decisions.check_review(room, {"by_server": told[1:]})
    with broken("decision log -> review: slots of bots without a refusal"):
        import_decisions.check_review(room, {"by_server": [*told[1:], told[0] | {"source": 0}]})


def test_a_flood_is_of_bots_alone_and_leaves_the_rest_as_it_was() -> None:
    plain = draw(0, 1, 1000, np.random.default_rng(1))
    source = flooded(plain, np.random.default_rng(2))
    bots = source.auctions.filter("bot")
    assert source.auctions.filter(~pl.col("bot")).equals(plain.auctions)
    assert bots.height == 2 * plain.auctions["slot"].is_in(BURST).sum()
    assert set(bots["publisher"]) == {BOTS}
    assert bots.select("views", "likes", "shares", "interacted", "converted").sum().row(0) == (0,) * 5
    assert source.auctions["request_id"].is_unique().all()


def write_served_log(folder: Path, books: pl.DataFrame, likes: int = 2) -> None:
    """What `bidpilot import decisions` makes of the books, as files."""
    folder.mkdir(exist_ok=True)
    priced = books.filter("priced")
    days = [{"unit": d, "budget": BUDGET, "conversion_value": CONVERSION_VALUE} for d in DAYS]
    rows = {"rows_in": books.height, "rows_kept": priced.height, "rows_set_aside": books.height - priced.height}
    events = {"view": 1, "like": likes, "share": 1, "convert": 1}  # 6 interactions, a share counting for 4
    (folder / "log.json").write_text(json.dumps({"days": days, "segments": SEGMENTS, "events": events, **rows}))
    pl.DataFrame({"reason": ["no market price"]}).write_parquet(folder / "set_aside.parquet")
    priced.select(
        "slot", "source",
        pl.col("day").replace_strict(DAYS, range(len(DAYS))),
        pl.col("segment").replace_strict(SEGMENTS, range(len(SEGMENTS))),
        *((pl.col(c) / MICRO).cast(pl.Float32).alias(c if c != "price" else "market_price") for c in AMOUNTS),
    ).write_parquet(folder / "auctions.parquet")  # fmt: skip


def test_an_auction_that_an_import_moves_or_loses_is_seen(room: Room, books: pl.DataFrame) -> None:
    folder = room.path("served")
    write_served_log(folder, books)
    import_decisions.check_served_log(room, books, folder, BUDGET)
    write_served_log(folder, books, likes=3)
    with broken("decision log -> log: events of what was bought: {'interacted': 7, 'converted': 1, 'views': 1}"):
        import_decisions.check_served_log(room, books, folder, BUDGET)
    write_served_log(folder, changed(books, 4, slot=2))
    with broken("decision log -> log: auctions, prices and KPIs per slot: 2026-03-03 slot 1: auctions 0 came out, 1"):
        import_decisions.check_served_log(room, books, folder, BUDGET)
    write_served_log(folder, books.head(5))
    with broken("decision log -> log: rows in = priced + set aside"):
        import_decisions.check_served_log(room, books, folder, BUDGET)


def test_a_bundle_that_plays_otherwise_than_its_policy_did_is_seen(room: Room) -> None:
    rows: list[dict[str, Any]] = [{"agent": "ppo@abc"}, {"agent": "ppo@abc", "against": "plan", "diff": 0.18}]
    crown.check_duel(room, Decision("r", True, "because", [{"difference": 0.18}]), rows)
    with broken("evaluation -> duel"):
        crown.check_duel(room, Decision("r", True, "because", [{"difference": 0.17}]), rows)


def test_a_promotion_that_contradicts_its_rows_is_seen(room: Room) -> None:
    won, lost = ([{"suite": "served", "days": 2, "low": low, "high": 0.02}] for low in (0.01, -0.01))
    promote.check_decision(room, Decision("r", True, "because", won), 0, "2")
    promote.check_decision(room, Decision("r", False, "is better on no suite", lost), 2, "1")
    with broken("duel -> record: the verdict"):
        promote.check_decision(room, Decision("r", True, "because", lost), 0, "2")
    with broken("duel -> registry: status and champion"):
        promote.check_decision(room, Decision("r", False, "is better on no suite", lost), 2, "2")


# --- what is told of a fault ---------------------------------------------------------------------


def test_a_failed_command_is_named_with_its_output(room: Room) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)bidpilot serv` ended with 2:.*did you mean serve"):
        room.bidpilot("serv")


def test_the_step_and_the_joint_that_broke_are_told(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def good(room: Room) -> None:
        room.same("a -> b: money", 1, 1)

    def bad(room: Room) -> None:
        room.bidpilot("--version")
        room.same("b -> c: money", 1, 2)

    monkeypatch.setattr(loop, "STEPS", (("good", good), ("bad", bad), ("after", good)))
    assert not loop.walk(room)
    told = capsys.readouterr()
    assert "broke in step 'bad', at the joint b -> c: money: 1 came out, 2 went in" in told.err
    assert "bidpilot --version` ended with 0:\nbidpilot " in told.err
    assert "after" not in told.out
    assert [(line.step, line.checked) for line in room.lines] == [("good", ("a -> b: money",))]
