"""One's own files by a mapping: units, time zones, KPIs, censoring, identifiers."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from bidpilot.bidding.errors import CensoredLog, InvalidLog, InvalidMapping, UnreadableFile
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs import mapped
from bidpilot.envs.logs.formats import REASON_DUPLICATE, REASON_LOST, ImportOptions
from bidpilot.envs.logs.importers import ImportSummary, run_import
from bidpilot.envs.logs.mapping import Mapping
from bidpilot.envs.logs.storage import HASHED_FILE, load_log, read_set_aside

MAPPING: dict[str, Any] = {
    "time": {"column": "at", "form": "iso", "zone": "Europe/Berlin"},
    "price": {"column": "cpm", "unit": 0.001},
    "conversion": {"sum": {"pcvr": 1.0}},
}
ROW: dict[str, Any] = {"at": "2024-03-10T12:00:00+01:00", "cpm": 800, "pcvr": 0.02, "email": "ann@example.org"}


def read(
    folder: Path, rows: list[dict[str, Any]], options: dict[str, Any] | None = None, **changes: Any
) -> ImportSummary:
    """Import rows that differ from ROW under MAPPING with changes."""
    path, mapping = folder / "bids.csv", folder / "mapping.yaml"
    pl.DataFrame([{**ROW, **row} for row in rows], strict=False).write_csv(path)
    mapping.write_text(yaml.safe_dump({**MAPPING, **changes}))
    return run_import(
        "mapping", [path], folder / "log", options=ImportOptions(mapping=mapping, **(options or {})), force=True
    )


def test_units_turn_columns_into_currency(tmp_path: Path) -> None:
    read(tmp_path, [{"cpm": 800}, {"cpm": 50}], budget=30.0, max_cpa=5.0)
    log = load_log(tmp_path / "log")
    np.testing.assert_allclose(log.market_price, [0.8, 0.05], rtol=1e-6)
    assert (log.days[0].budget, log.days[0].max_cpa, log.days[0].conversion_value) == (30.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ("at", "form", "day", "slot"),
    [
        ("2024-03-10T23:30:00Z", "iso", "2024-03-11", 1),  # half past midnight in Berlin
        ("2024-03-10T23:30:00", "iso", "2024-03-10", 47),  # no offset: Berlin's own clock
        ("2024-03-10 12:00:00+01:00", "iso", "2024-03-10", 24),
        (1_710_113_400, "epoch_s", "2024-03-11", 1),
        (1_710_113_400_000, "epoch_ms", "2024-03-11", 1),
        ("10/03/2024 06:15", "%d/%m/%Y %H:%M", "2024-03-10", 12),
        ("2024-07-01T22:30:00Z", "iso", "2024-07-02", 1),  # summer time: two hours ahead
    ],
)
def test_days_are_cut_in_the_zone_of_the_mapping(tmp_path: Path, at: Any, form: str, day: str, slot: int) -> None:
    read(tmp_path, [{"at": at}], time={"column": "at", "form": form, "zone": "Europe/Berlin"})
    log = load_log(tmp_path / "log")
    assert (log.days[0].label, np.flatnonzero(log.counts[0]).tolist()) == (day, [slot])
    assert log.cut == Cut("Europe/Berlin")


def test_a_day_may_begin_at_another_hour(tmp_path: Path) -> None:
    rows = [{"at": "2024-03-10T03:59:00"}, {"at": "2024-03-10T04:00:00"}]
    read(tmp_path, rows, time={**MAPPING["time"], "day_starts": 4})
    log = load_log(tmp_path / "log")
    assert [day.label for day in log.days] == ["2024-03-09", "2024-03-10"]
    assert log.cut == Cut("Europe/Berlin", 4)


def test_auctions_keep_their_order_when_the_clock_goes_back(tmp_path: Path) -> None:
    rows = [{"at": f"2024-10-27T0{hour}:10:00Z", "cpm": hour} for hour in (1, 0)]  # both are 2:10 in Berlin
    read(tmp_path, rows)
    log = load_log(tmp_path / "log")
    np.testing.assert_allclose(log.market_price, [0.0, 0.001])


def test_parquet_times_are_read_as_they_are(tmp_path: Path) -> None:
    path, mapping = tmp_path / "bids.parquet", tmp_path / "mapping.yaml"
    moments = pl.Series("at", ["2024-03-10T23:30:00"]).str.to_datetime(time_zone="UTC")
    pl.DataFrame({"at": moments, "cpm": [5.0], "pcvr": [0.1]}).write_parquet(path)
    mapping.write_text(yaml.safe_dump(MAPPING))
    run_import("mapping", [path], tmp_path / "log", options=ImportOptions(mapping=mapping))
    assert load_log(tmp_path / "log").days[0].label == "2024-03-11"


def test_kpis_are_made_as_the_mapping_says(tmp_path: Path) -> None:
    watched = {"watched": 3, "length": 4, "likes": 0.2, "shares": 0.1}
    again = {"watched": 9, "length": 4, "likes": 0, "shares": 0}
    exposure = {"sum": {"watched": 1}, "per": "length", "cap": 1}
    interaction = {"sum": {"likes": 1, "shares": 4}}
    read(tmp_path, [watched, again], exposure=exposure, interaction=interaction, conversion={"constant": 0.5})
    log = load_log(tmp_path / "log")
    np.testing.assert_allclose(log.exposure, [0.75, 1.0])
    np.testing.assert_allclose(log.interaction, [0.6, 0.0])
    np.testing.assert_allclose(log.conversion, [0.5, 0.5])


def test_each_campaign_has_days_and_terms_of_its_own(tmp_path: Path) -> None:
    rows = [{"who": who, "money": money} for who, money in (("b", 10), ("a", 20), ("a", 20), ("a", 20.000001))]
    summary = read(tmp_path, rows, campaign="who", budget="money")
    log = load_log(tmp_path / "log")
    assert [(day.label, day.budget) for day in log.days] == [
        ("campaign a, 2024-03-10", 20.0),
        ("campaign b, 2024-03-10", 10.0),
    ]
    assert summary.set_aside == {}


LOST: list[dict[str, Any]] = [
    {"won": 1, "bid": 900, "cpm": 500},
    {"won": 0, "bid": 700, "cpm": None},
    {"won": 1, "bid": 900, "cpm": 850},
]
CENSORED = {"column": "cpm", "unit": 0.001, "won": "won", "bid": "bid"}


def test_lost_bids_without_prices_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CensoredLog, match="--lost draw"):
        read(tmp_path, LOST, price=CENSORED)
    assert not (tmp_path / "log").exists()


def test_lost_bids_may_be_set_aside(tmp_path: Path) -> None:
    assert read(tmp_path, LOST, {"lost": "set-aside"}, price=CENSORED).set_aside == {REASON_LOST: 1}


def test_a_drawn_price_exceeds_the_bid_that_lost_and_the_log_says_so(tmp_path: Path) -> None:
    summary = read(tmp_path, LOST * 50, {"lost": "draw"}, price=CENSORED)
    log = load_log(tmp_path / "log")
    drawn = log.market_price.reshape(50, 3)[:, 1]
    assert (drawn > np.float32(0.7)).all()
    assert summary.rows_kept == 150
    np.testing.assert_allclose(log.market_price.reshape(50, 3)[:, [0, 2]], [[0.5, 0.85]] * 50)
    assert any("50 lost auctions drawn: Kaplan-Meier" in note for note in log.notes)


def test_nothing_can_be_drawn_where_bids_were_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(CensoredLog, match="without a recorded bid"):
        read(tmp_path, LOST, {"lost": "draw"}, price={**CENSORED, "bid": None})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"at": "yesterday"}, mapped.REASON_TIME),
        ({"at": None}, mapped.REASON_TIME),
        ({"cpm": "free"}, mapped.REASON_PRICE),
        ({"cpm": -1}, mapped.REASON_PRICE),
        ({"pcvr": 1.5}, mapped.reason_kpi("conversion")),
        ({"pcvr": "null"}, mapped.reason_kpi("conversion")),
        ({"won": "maybe"}, mapped.REASON_WON),
        ({"budget": 0}, mapped.REASON_TERMS),
        ({"budget": "lots"}, mapped.REASON_TERMS),
    ],
)
def test_each_kind_of_bad_row_is_set_aside(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    good = {"won": 1, "budget": 5}
    price = {**MAPPING["price"], "won": "won"}
    summary = read(tmp_path, [good, {**good, **change}, good], price=price, budget="budget")
    assert (summary.set_aside, summary.rows_kept) == ({reason: 1}, 2)


def test_what_is_not_mapped_is_dropped_and_listed(tmp_path: Path) -> None:
    summary = read(tmp_path, [{}, {"cpm": "ann@example.org"}])
    assert summary.dropped == ("email",)
    assert all(b"ann@" not in file.read_bytes() for file in (tmp_path / "log").iterdir())
    assert read_set_aside(tmp_path / "log")["cpm"].to_list() == ["(15 characters)"]


def test_an_identifier_is_kept_as_a_keyed_hash_where_the_mapping_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"at": "2024-03-10T13:00:00", "email": "bob@example.org"}, {}, {}]
    with pytest.raises(InvalidMapping, match="BIDPILOT_HASH_KEY"):
        read(tmp_path, rows, hash=["email"])
    kept = []
    for key in ("one", "one", "two"):
        monkeypatch.setenv(mapped.HASH_KEY, key)
        read(tmp_path, rows, hash=["email"])
        kept.append(pl.read_parquet(tmp_path / "log" / HASHED_FILE)["email"].to_list())
        assert all(b"@example" not in file.read_bytes() for file in (tmp_path / "log").iterdir())
    # In the order of the auctions: Ann's two at noon, then Bob's.
    assert kept[0][0] == kept[0][1] != kept[0][2]
    assert kept[0] == kept[1]
    assert not set(kept[0]) & set(kept[2])


def test_segments_need_columns_of_few_values(tmp_path: Path) -> None:
    with pytest.raises(InvalidLog, match="segments"):
        read(tmp_path, [{"email": f"{place}@example.org"} for place in range(300)], channel="email")


def test_quoted_fields_may_hold_the_separator(tmp_path: Path) -> None:
    path, mapping = tmp_path / "bids.csv", tmp_path / "mapping.yaml"
    path.write_text('note,at,cpm,pcvr\n"a, b",2024-03-10T12:00:00,5,0.1\n"c",2024-03-10T12:00:00,6,0.1,more\n')
    mapping.write_text(yaml.safe_dump(MAPPING))
    options = ImportOptions(mapping=mapping)
    assert run_import("mapping", [path], tmp_path / "log", options=options).rows_kept == 1
    path.write_text('note,at,cpm,pcvr\n"open,2024-03-10T12:00:00,5,0.1\n')
    with pytest.raises(UnreadableFile, match="quote: null"):
        run_import("mapping", [path], tmp_path / "log", options=options, force=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "blue"}, "colour"),
        ({"time": {"column": "at", "zone": "Mars/Olympus"}}, "no time zone"),
        ({"conversion": {"sum": {"pcvr": 1}, "constant": 1}}, "either sum or constant"),
        ({"conversion": None}, "no KPI"),
        ({"price": {"column": "cpm", "unit": 0}}, r"price\.unit"),
        ({"conversion": {"sum": {"pcvr": 1}, "realised": True}, "converted": {"sum": {"pcvr": 1}}}, "one of them"),
    ],
)
def test_a_mapping_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidMapping, match=message):
        read(tmp_path, [{}], **change)


def test_a_mapping_must_be_named_and_readable(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    for options in (ImportOptions(), ImportOptions(mapping=tmp_path / "none.yaml")):
        with pytest.raises(InvalidMapping):
            run_import("mapping", [tmp_path / "a.csv"], tmp_path / "log", options=options)


def test_the_mapping_in_the_documentation_is_one() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "logs.md").read_text()
    mapping = Mapping.model_validate(yaml.safe_load(text.split("```yaml")[1].split("```")[0]))
    assert mapping.price is not None
    assert mapping.price.unit == 0.001


@pytest.mark.parametrize("word", ["TRUE", "t", "yes", "1.0", "Y", "on"])
def test_words_for_yes_are_wins_and_outcomes(tmp_path: Path, word: str) -> None:
    rows = [{"won": word, "bought": word}, {"won": word, "bought": "no"}]
    price = {**MAPPING["price"], "won": "won"}
    assert read(tmp_path, rows, price=price, converted={"sum": {"bought": 1}}).rows_kept == 2
    assert load_log(tmp_path / "log").converted.tolist() == [1.0, 0.0]  # type: ignore[union-attr]


def test_a_mapping_may_name_its_words(tmp_path: Path) -> None:
    price = {**MAPPING["price"], "won": "won", "won_when": ["win"], "lost_when": ["outbid"]}
    summary = read(tmp_path, [{"won": "WIN"}, {"won": "outbid"}], {"lost": "set-aside"}, price=price)
    assert (summary.rows_kept, summary.set_aside) == (1, {REASON_LOST: 1})


def test_ids_with_a_gap_in_their_column_are_one_campaign(tmp_path: Path) -> None:
    rows = [{"who": who, "key": key} for who, key in (("12", "1"), ("12.0", "1.0"), ("012", "2"))]
    summary = read(tmp_path, rows, campaign="who", key=["key"])
    assert [day.label for day in load_log(tmp_path / "log").days] == ["campaign 12, 2024-03-10"]
    assert summary.set_aside == {REASON_DUPLICATE: 1}
    assert any(note.startswith("2 ids of column who") for note in summary.notes)


def test_a_budget_raised_at_noon_keeps_all_auctions(tmp_path: Path) -> None:
    rows = [{"at": f"2024-03-10T{hour:02}:00:00", "money": 100 if hour < 14 else 150} for hour in range(24)]
    summary = read(tmp_path, rows, budget="money")
    assert (summary.rows_kept, load_log(tmp_path / "log").days[0].budget) == (24, 150.0)
    assert any("budget changes during 1 of 1 days (14 auctions" in note for note in summary.notes)
    read(tmp_path, rows, {"terms": "first"}, budget="money")
    assert load_log(tmp_path / "log").days[0].budget == 100.0
