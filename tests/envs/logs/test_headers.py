"""Files without a header, and messages that name columns but repeat nothing of a row."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bidpilot.bidding.errors import BidpilotError, EmptyLog, MissingColumn, MissingHeader, UnreadableFile
from bidpilot.envs.logs.auctionnet import import_auctionnet
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import ImportSummary, run_import

ROW = "2024-03-10T12:00:00,0.5,0.1,ann@example.org,Mozilla"
SECRETS = ("ann@", "Mozilla", "2024-03-10", "0.5", "alice", "springfield")


def read(folder: Path, text: str, name: str = "bids.csv", **changes: object) -> ImportSummary:
    path, mapping = folder / name, folder / "mapping.yaml"
    path.write_text(text)
    values = {"time": {"column": "at"}, "price": {"column": "cpm"}, "conversion": {"sum": {"pcvr": 1}}}
    mapping.write_text(yaml.safe_dump({**values, **changes}))
    return run_import("mapping", [path], folder / "log", options=ImportOptions(mapping=mapping), force=True)


def refused(kind: type[BidpilotError], folder: Path, text: str, **changes: Any) -> str:
    with pytest.raises(kind) as caught:
        read(folder, text, **changes)
    message = str(caught.value)
    assert not [secret for secret in SECRETS if secret in message]
    return message


def test_a_first_row_of_data_is_no_header(tmp_path: Path) -> None:
    assert "no header line" in refused(MissingHeader, tmp_path, f"{ROW}\n{ROW}\n")
    assert "no header line" in refused(MissingHeader, tmp_path, '"alice","a@b.org"\n')
    (tmp_path / "a.csv").write_text("7,3,0,12,500,70,0.01,0.2\n")
    with pytest.raises(MissingHeader):
        import_auctionnet([tmp_path / "a.csv"])


def test_columns_may_be_named_in_the_mapping(tmp_path: Path) -> None:
    assert read(tmp_path, f"{ROW}\n{ROW}\n", columns=["at", "cpm", "pcvr", "mail", "agent"]).rows_kept == 2


def test_a_first_line_of_words_is_described_and_not_shown(tmp_path: Path) -> None:
    message = refused(MissingColumn, tmp_path, "alice,springfield,won\n")
    assert "names none of the columns at, cpm, pcvr: it has 3 fields" in message


def test_another_separator_is_told(tmp_path: Path) -> None:
    message = refused(MissingColumn, tmp_path, "at\tcpm\tpcvr\n")
    assert "3 if a tab separates them" in message


def test_a_column_that_is_missing_is_named_with_the_nearest(tmp_path: Path) -> None:
    assert "pcvr (nearest present: p_cvr)" in refused(MissingColumn, tmp_path, "at,cpm,p_cvr\n")


def test_only_a_repeated_name_that_is_needed_matters(tmp_path: Path) -> None:
    row = "2024-03-10T12:00:00,1,0.1,,\n"
    assert read(tmp_path, f"at,cpm,pcvr,,\n{row}").dropped == ("", " (2)")
    assert "more than once" in refused(UnreadableFile, tmp_path, "at,cpm,pcvr,cpm\n")


def test_a_header_may_have_quotes_around_separators(tmp_path: Path) -> None:
    assert read(tmp_path, 'at,"name, first",cpm,pcvr\n2024-03-10T12:00:00,"a, b",1,0.1\n').rows_kept == 1
    tabs = 'at\t"name"\tcpm\tpcvr\n2024-03-10T12:00:00\t"a\tb"\t1\t0.1\n'
    (tmp_path / "tabs").mkdir()
    assert read(tmp_path / "tabs", tabs, "bids.tsv", separator="\t").rows_kept == 1


def test_no_usable_row_is_told_in_words(tmp_path: Path) -> None:
    message = refused(
        EmptyLog, tmp_path, "at,cpm,pcvr\nalice,1,0.1\nalice,1,0.1\n2024-03-10T12:00:00,springfield,0.1\n"
    )
    assert "2 because the time is missing or cannot be read; 1 because the market price" in message
    assert "{" not in message


def test_a_quote_that_is_never_closed_is_told_without_its_text(tmp_path: Path) -> None:
    refused(UnreadableFile, tmp_path, 'at,cpm,pcvr\n"alice,1,0.1\n2024-03-10T12:00:00,springfield,0.1\n')
