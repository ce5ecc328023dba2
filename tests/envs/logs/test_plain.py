"""Text in any encoding, packed or not: the same log, or the place of the byte that cannot be read."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bidpilot.bidding.errors import InvalidMapping, UndecodableText, UnreadableFile
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import ImportSummary, run_import
from bidpilot.envs.logs.plain import find_undecodable, first_line
from bidpilot.envs.logs.storage import load_log

MAPPING = {"time": {"column": "at"}, "campaign": "who", "price": {"column": "cpm"}, "conversion": {"constant": 0.1}}
TEXT = "at,who,cpm,seen\n2024-03-10T12:00:00,Zoë,1,Ørsted\n2024-03-10T12:00:00,Zoé,2,Ørsted\n"


def read(path: Path, data: bytes, **changes: object) -> ImportSummary:
    path.write_bytes(data)
    mapping = path.with_name("mapping.yaml")
    mapping.write_text(yaml.safe_dump({**MAPPING, **changes}))
    return run_import("mapping", [path], path.with_name("log"), options=ImportOptions(mapping=mapping), force=True)


def campaigns(path: Path) -> list[str]:
    return [day.label.split(",")[0] for day in load_log(path.with_name("log")).days]


@pytest.mark.parametrize("quote", ['"', None])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_names_are_kept_apart_in_any_declared_encoding(tmp_path: Path, encoding: str, quote: str | None) -> None:
    path = tmp_path / "bids.csv"
    read(path, TEXT.encode(encoding), encoding=encoding, quote=quote)
    assert campaigns(path) == ["campaign Zoé", "campaign Zoë"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_start_of_a_file_says_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bids.csv"
    read(path, TEXT.encode(encoding))
    assert campaigns(path) == ["campaign Zoé", "campaign Zoë"]


@pytest.mark.parametrize("quote", ['"', None])
@pytest.mark.parametrize(
    ("encoding", "declared", "byte"), [("latin-1", "utf-8", 38), ("gbk", "utf-8", 38), ("utf-8", "ascii", 38)]
)
def test_a_byte_that_is_not_in_the_encoding_is_named(
    tmp_path: Path, encoding: str, declared: str, byte: int, quote: str | None
) -> None:
    text = TEXT.replace("Zoë", "Zo中").replace("Zoé", "Zo国") if encoding == "gbk" else TEXT
    with pytest.raises(UndecodableText, match=rf"byte {byte} \(line 2\).*encoding: gbk"):
        read(tmp_path / "bids.csv", text.replace("Ø", "O").encode(encoding), encoding=declared, quote=quote)
    assert not (tmp_path / "log").exists()


def test_a_byte_of_a_column_that_is_not_read_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bids.csv"
    data = TEXT.replace("Zoë", "a").replace("Zoé", "b").encode("latin-1")
    assert read(path, data).rows_kept == 2
    assert campaigns(path) == ["campaign a", "campaign b"]


def test_a_header_that_cannot_be_decoded_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(UndecodableText, match=r"byte 7 \(line 1\)"):
        read(tmp_path / "bids.csv", "at,who,é,cpm\n2024-03-10T12:00:00,a,1,1\n".encode("latin-1"))


def test_characters_lost_before_the_import_are_counted(tmp_path: Path) -> None:
    summary = read(tmp_path / "bids.csv", TEXT.replace("ë", "\ufffd").encode())
    assert next(note for note in summary.notes if "U+FFFD" in note).startswith("1 ids of column who")


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_packed_text_is_read_and_a_cut_one_is_named(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"bids.csv{ending}"
    read(path, pack(TEXT.encode("cp1252")), encoding="cp1252")
    assert campaigns(path) == ["campaign Zoé", "campaign Zoë"]
    with pytest.raises(UndecodableText, match="byte 38"):
        read(path, pack(TEXT.encode("latin-1")))
    with pytest.raises(UnreadableFile, match="again"):
        read(path, pack(TEXT.encode() * 50)[:-9])


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13"])
def test_an_encoding_must_be_one_of_text(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InvalidMapping, match="no encoding of text"):
        read(tmp_path / "bids.csv", TEXT.encode(), encoding=encoding)


def test_the_place_is_found_behind_characters_of_several_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("中,国\n中".encode() + b"\xff,1\n")
    place = find_undecodable(path)
    assert place is not None
    assert (place.offset, place.line) == (11, 2)
    assert first_line(path) == "中,国"
    path.write_bytes("中".encode()[:2])
    place = find_undecodable(path)
    assert place is not None
    assert (place.offset, place.line) == (0, 1)
