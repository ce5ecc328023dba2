"""KuaiRand logs: a funnel without prices, whose other half comes from another log and says so."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import MissingPrices, UnreadableFile
from bidpilot.envs.logs import mapped
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.formats import REASON_DUPLICATE, REASON_FIELDS, ImportOptions
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log, save_log

NOON = 1_650_600_000_000  # 2022-04-22 12:00 in Shanghai
ROW: dict[str, Any] = {
    "user_id": 0,
    "video_id": 11,
    "date": 20220422,
    "hourmin": 1200,
    "time_ms": NOON,
    "is_click": 1,
    "is_like": 0,
    "is_follow": 0,
    "is_comment": 0,
    "is_forward": 0,
    "is_hate": 0,
    "long_view": 0,
    "play_time_ms": 5000,
    "duration_ms": 10000,
    "profile_stay_time": 0,
    "comment_stay_time": 0,
    "is_profile_enter": 0,
    "is_rand": 0,
    "tab": 1,
}


def write(folder: Path, *changes: dict[str, Any]) -> Path:
    path = folder / "log_standard.csv"
    rows = [{**ROW, "user_id": place, **change} for place, change in enumerate(changes)]
    pl.DataFrame(rows, strict=False).write_csv(path)
    return path


@pytest.fixture
def donor(tmp_path: Path) -> Path:
    """A log whose prices are twice as high in its second half day, and go with value."""
    rng = np.random.default_rng(1)
    n = 4000
    conversion = rng.lognormal(-6, 0.5, n).astype(np.float32).clip(0, 1)
    level = np.repeat([1.0, 2.0], n // 2)
    price = (level * conversion * 100 * rng.lognormal(0, 0.2, n)).astype(np.float32)
    kpis: dict[str, Any] = {"exposure": np.ones(n, np.float32), "interaction": np.zeros(n, np.float32)}
    kpis["conversion"] = conversion
    log = AuctionLog(
        name="donor",
        market_price=price,
        **kpis,
        **{f"true_{kpi}": column for kpi, column in kpis.items()},
        segment=np.zeros(n, np.int16),
        source=np.zeros(n, np.int16),
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.array([n // 2, n // 2])]),
        days=(DayRecord("d", "d", 1.0, 1.0),),
        segments=("feed/head",),
        sources=1,
    )
    save_log(log, tmp_path / "donor")
    return tmp_path / "donor"


def test_without_prices_the_log_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingPrices, match="--prices-from"):
        run_import("kuairand", [write(tmp_path, {})], tmp_path / "log")


def test_prices_come_from_the_donor_by_time_of_day_and_the_log_says_so(tmp_path: Path, donor: Path) -> None:
    day = 86_400_000
    changes = [
        {"time_ms": NOON + hour * 3_600_000 - day * (place % 2), "video_id": place}
        for place, hour in enumerate(np.repeat([-6, 6], 2000).tolist())
    ]
    run_import("kuairand", [write(tmp_path, *changes)], tmp_path / "log", options=ImportOptions(prices_from=donor))
    log = load_log(tmp_path / "log")
    assert any("copula prices fitted on 'donor'" in note for note in log.notes)
    slot = np.repeat(np.tile(np.arange(log.slots), log.n_days), log.counts.ravel())
    morning, evening = (log.market_price[slot == at].mean() for at in (12, 36))
    assert evening / morning == pytest.approx(2.0, rel=0.1)
    assert log.market_price.mean() == pytest.approx(load_log(donor).market_price.mean(), rel=0.1)


def test_days_are_those_of_shanghai(tmp_path: Path, donor: Path) -> None:
    midnight = NOON + 43_200_000
    path = write(tmp_path, {"time_ms": midnight - 1}, {"time_ms": midnight})
    run_import("kuairand", [path], tmp_path / "log", options=ImportOptions(prices_from=donor))
    log = load_log(tmp_path / "log")
    assert [day.label for day in log.days] == ["2022-04-22", "2022-04-23"]
    assert [np.flatnonzero(row).tolist() for row in log.counts] == [[47], [0]]


def test_the_funnel_becomes_weighted_interactions_and_completion(tmp_path: Path, donor: Path) -> None:
    other = {"time_ms": NOON + 86_400_000, "play_time_ms": 50_000}
    path = write(tmp_path, {"is_like": 1, "is_comment": 1, "long_view": 1}, {**other, "is_follow": 1})
    run_import("kuairand", [path], tmp_path / "log", options=ImportOptions(prices_from=donor))
    log = load_log(tmp_path / "log")
    assert log.interacted is not None
    np.testing.assert_allclose(log.interacted, [4.2, 5.0])
    # Each day's predictions are the other day's outcomes: completion 5 s of 10 s, and one cut at the whole.
    np.testing.assert_allclose(log.exposure, [1.0, 0.5])
    np.testing.assert_allclose(log.interaction, [5.0, 4.2])
    assert log.converted is None
    assert not log.conversion.any()


def test_the_funnel_is_kept_as_counts_beside_what_it_is_worth(tmp_path: Path, donor: Path) -> None:
    told = {"is_like": 1, "is_comment": 2, "is_forward": 3, "is_follow": 1, "long_view": 1}
    late = {"is_click": "true", "is_like": "false", "time_ms": NOON + 2}  # stands before what was earlier
    path = write(tmp_path, {"is_click": 0}, late, told | {"time_ms": NOON + 1})
    run_import("kuairand", [path], tmp_path / "log", options=ImportOptions(prices_from=donor))
    log = load_log(tmp_path / "log")
    assert log.funnel is not None
    # view, complete, like, comment, share, follow, convert
    assert log.funnel.tolist() == [[0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 3, 1, 0], [1, 0, 0, 0, 0, 0, 0]]
    assert any(note.startswith("funnel: counts of view, complete, like, comment, share, follow;") for note in log.notes)


def test_head_is_what_is_shown_most(tmp_path: Path, donor: Path) -> None:
    changes = [{"video_id": 1}] * 80 + [{"video_id": 100 + place} for place in range(20)]
    run_import("kuairand", [write(tmp_path, *changes)], tmp_path / "log", options=ImportOptions(prices_from=donor))
    log = load_log(tmp_path / "log")
    assert log.segments == ("tab-1/head", "tab-1/tail")
    assert np.bincount(log.segment).tolist() == [80, 20]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time_ms": None}, mapped.REASON_TIME),
        ({"time_ms": "noon"}, mapped.REASON_TIME),
        ({"time_ms": 10**18}, mapped.REASON_YEARS),
        ({"duration_ms": 0}, mapped.reason_kpi("exposure")),
        ({"play_time_ms": -1}, mapped.reason_kpi("exposure")),
        ({"is_like": "perhaps"}, mapped.reason_kpi("interaction")),
        ({"is_like": -3}, mapped.reason_kpi("interaction")),
        ({"is_click": None}, mapped.REASON_EVENTS),
        ({"is_click": -1}, mapped.REASON_EVENTS),
        ({"is_click": 0.5}, mapped.REASON_EVENTS),
        ({"is_like": 256}, mapped.REASON_EVENTS),
        ({"is_click": "perhaps"}, mapped.REASON_EVENTS),
        ({"user_id": 0}, REASON_DUPLICATE),
    ],
)
def test_each_kind_of_bad_row_is_set_aside(tmp_path: Path, donor: Path, change: dict[str, Any], reason: str) -> None:
    path = write(tmp_path, {}, {}, change, {})
    summary = run_import("kuairand", [path], tmp_path / "log", options=ImportOptions(prices_from=donor))
    assert (summary.set_aside, summary.rows_kept) == ({reason: 1}, 3)


def test_a_truncated_last_line_costs_one_row(tmp_path: Path, donor: Path) -> None:
    path = write(tmp_path, {}, {}, {})
    path.write_text(path.read_text()[:-20])
    summary = run_import("kuairand", [path], tmp_path / "log", options=ImportOptions(prices_from=donor))
    assert summary.set_aside == {REASON_FIELDS: 1}


def test_the_same_seed_draws_the_same_log(tmp_path: Path, donor: Path) -> None:
    path = write(tmp_path, *({"video_id": place} for place in range(50)))
    digests = [
        run_import("kuairand", [path], tmp_path / name, options=ImportOptions(prices_from=donor, seed=seed)).digest
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_interactions_may_come_from_another_log(tmp_path: Path, donor: Path) -> None:
    likes = [{"is_like": place % 2, "time_ms": NOON + 86_400_000 * (place % 2)} for place in range(40)]
    run_import("kuairand", [write(tmp_path, *likes)], tmp_path / "funnel", options=ImportOptions(prices_from=donor))
    short = tmp_path / "short.txt"
    short.write_text("0 5 0.1\n" * 60)
    options = ImportOptions(interactions_from=tmp_path / "funnel", episode=60)
    run_import("ipinyou", [short], tmp_path / "log", options=options)
    log, funnel = load_log(tmp_path / "log"), load_log(tmp_path / "funnel")
    assert any("hot deck from 'funnel'" in note for note in log.notes)
    pairs = set(zip(funnel.exposure.tolist(), funnel.interaction.tolist(), strict=True))
    assert set(zip(log.exposure.tolist(), log.interaction.tolist(), strict=True)) <= pairs
    assert len(pairs) == 2


@pytest.mark.parametrize("name", ["1k", "pure", "27k"])
def test_a_published_folder_stands_for_its_logs(tmp_path: Path, donor: Path, name: str) -> None:
    data = tmp_path / f"KuaiRand-{name}" / "data"
    data.mkdir(parents=True)
    parts = ("4_08_to_4_21_27k_part1", "4_08_to_4_21_27k_part2") if name == "27k" else (f"4_08_to_4_21_{name}",)
    for place, part in enumerate(parts):
        write(data, {"user_id": place}).rename(data / f"log_standard_{part}.csv")
    write(data, {"user_id": 9, "is_rand": 1}).rename(data / f"log_random_4_22_to_5_08_{name}.csv")
    (data / f"user_features_{name}.csv").write_text("user_id,user_active_degree\n0,full_active\n")
    (data / f"video_features_basic_{name}.csv").write_text("video_id,author_id\n11,4\n")
    options = ImportOptions(prices_from=donor)
    summary = run_import("kuairand", [data.parent], tmp_path / "log", options=options)
    assert (summary.rows_in, summary.rows_kept) == (len(parts) + 1, len(parts) + 1)


def test_sets_number_their_videos_apart_and_are_not_mixed(tmp_path: Path, donor: Path) -> None:
    for name in ("1k", "pure"):
        write(tmp_path, {}).rename(tmp_path / f"log_standard_4_08_to_4_21_{name}.csv")
    with pytest.raises(UnreadableFile, match="1k, pure"):
        run_import("kuairand", [tmp_path], tmp_path / "log", options=ImportOptions(prices_from=donor))
