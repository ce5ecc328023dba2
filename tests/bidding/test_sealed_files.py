"""Of a bundle's folder nothing is read but what its manifest lists: plain, bounded, and held against its checksum."""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding import sealed_files
from bidpilot.bidding.bundle import load_bundle, read_manifest
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.sealed_files import read_arrays, read_bytes, read_listed
from tests.serving.conftest import write_controller_bundle


@pytest.fixture
def folder(even: Forecast, tmp_path: Path) -> Path:
    """The bundle of a controller on `even`."""
    campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    return write_controller_bundle(tmp_path / "bundle", campaign=campaign, forecast=even)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reseal(folder: Path, name: str, data: bytes) -> None:
    """Write a file and list it with its right checksum, as somebody would who can write into the folder."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checksums"][name] = digest(data)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_file_that_is_not_listed_is_never_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("network.npz", "policy.onnx", "forecast.npz.npz", ".hidden", "extra.pkl"):
        (folder / name).write_bytes(b"not to be read")
    opened: list[str] = []
    real_open, real_os_open = builtins.open, os.open

    def note(path: Any, *rest: Any, **named: Any) -> Any:
        if not isinstance(path, int):
            opened.append(os.path.basename(str(path)))
        return real_open(path, *rest, **named)

    def note_os(path: Any, *rest: Any, **named: Any) -> Any:
        opened.append(os.path.basename(str(path)))
        return real_os_open(path, *rest, **named)

    monkeypatch.setattr(builtins, "open", note)
    monkeypatch.setattr(io, "open", note)
    monkeypatch.setattr(os, "open", note_os)
    bundle = load_bundle(folder)
    assert set(opened) == {"manifest.json", "forecast.npz", "golden.json"}
    assert bundle.network == {}


def test_a_network_that_is_there_but_not_listed_is_not_the_bundles(folder: Path) -> None:
    np.savez(folder / "network.npz", w=np.zeros(3))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["agent"]["kind"] = "network"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match=r"no checksum of network\.npz"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "name",
    ["../outside.npz", "/etc/hostname", "a/b.npz", "..", ".", "", ".hidden", "a\\b", "a\x00b", "x\n", "ü.npz", "~root",
     "forecast.npz/", "-" * 200],
)  # fmt: skip
def test_a_name_that_is_no_plain_name_is_refused_whatever_its_checksum(folder: Path, name: str) -> None:
    (folder.parent / "outside.npz").write_bytes(b"")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checksums"][name] = digest(b"")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match="no plain name"):
        load_bundle(folder)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_it_is_not(folder: Path) -> None:
    data = (folder / "golden.json").read_bytes()
    (folder / "golden.json").unlink()
    outside = folder.parent / "golden.json"
    outside.write_bytes(data)
    (folder / "golden.json").symlink_to(outside)
    with pytest.raises(InvalidBundle, match="leads out of the bundle's folder"):
        load_bundle(folder)
    inside = folder / "data"  # as where files are mounted by versions
    inside.mkdir()
    outside.rename(inside / "golden.json")
    (folder / "golden.json").unlink()
    (folder / "golden.json").symlink_to(Path("data") / "golden.json")
    assert load_bundle(folder).golden.actions.shape[1] == 5


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    (folder.parent / "live").symlink_to(folder)
    assert load_bundle(folder.parent / "live").digest == load_bundle(folder).digest


def test_a_manifest_that_is_a_link_out_of_the_folder_is_none(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "m.json")
    (folder / "manifest.json").symlink_to(folder.parent / "m.json")
    with pytest.raises(InvalidBundle, match="leads out"):
        read_manifest(folder)


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle", "missing"])
def test_what_is_no_regular_file_is_refused_without_waiting(folder: Path, kind: str) -> None:
    path = folder / "golden.json"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "circle":
        path.symlink_to(path.name)
    with pytest.raises(InvalidBundle, match=r"lacks the file 'golden\.json'|leads out"):
        load_bundle(folder)


def test_a_file_above_its_bound_is_refused_before_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_files, "MOST_FILE", 100)
    with pytest.raises(InvalidBundle, match="more than the 100 bytes"):
        load_bundle(folder)
    with pytest.raises(InvalidBundle, match="more than the 3 bytes"):
        read_bytes(folder, "manifest.json", 3)
    size = (folder / "manifest.json").stat().st_size
    assert len(read_bytes(folder, "manifest.json", size)) == size


def test_too_many_files_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidBundle, match="lists 65 files"):
        read_listed(folder, {f"f{k}": "" for k in range(65)}, ())


@pytest.mark.parametrize("twice", ["checksums", "schema_version", '"forecast.npz"', '"slots"'])
def test_a_manifest_that_names_something_twice_is_refused(folder: Path, twice: str) -> None:
    text = (folder / "manifest.json").read_text()
    key = twice.strip('"')
    manifest = json.loads(text)
    value = json.dumps((manifest | manifest["checksums"])[key])
    place = text.index(f'"{key}"')
    (folder / "manifest.json").write_text(text[:place] + f'"{key}": {value}, ' + text[place:])
    with pytest.raises(InvalidBundle, match="names something twice"):
        load_bundle(folder)


def zipped(*names: str, size: int = 8) -> bytes:
    whole, one = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros(size))
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, one.getvalue())
    return whole.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_arrays_come_once_and_no_larger_than_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(read_arrays(zipped("a.npy", "b.npy"))) == {"a", "b"}
    with pytest.raises(ValueError, match="twice"):
        read_arrays(zipped("a.npy", "a.npy"))
    bomb = zipped("a.npy", size=1_000_000)
    assert len(bomb) < 10_000
    monkeypatch.setattr(sealed_files, "MOST_ARRAYS", 1_000_000)
    with pytest.raises(ValueError, match="at most 1000000 are unpacked"):
        read_arrays(bomb)


def test_the_bytes_that_are_parsed_are_those_whose_checksum_was_held(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes a file between checksum and parsing changes nothing."""
    names = ("forecast.npz", "golden.json")
    before = {name: (folder / name).read_bytes() for name in names}
    sums = {name: digest(data) for name, data in before.items()}

    class Changing:
        """Hashes, and exchanges the files."""

        @staticmethod
        def sha256(data: bytes) -> Any:
            for name in names:
                (folder / name).write_bytes(b"something else")
            return hashlib.sha256(data)

    monkeypatch.setattr(sealed_files, "hashlib", Changing)
    for name in names:
        for other, data in before.items():
            (folder / other).write_bytes(data)
        assert read_listed(folder, {name: sums[name]}, [name]) == {name: before[name]}


@pytest.mark.parametrize("name", ["forecast.npz", "golden.json"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_whatever_a_listed_file_holds_the_bundle_is_read_or_refused_by_name(
    folder: Path, name: str, data: st.DataObject
) -> None:
    whole = folder / f"{name}.whole"
    if not whole.exists():
        whole.write_bytes((folder / name).read_bytes())
    good = whole.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    cut = st.sampled_from([good[:at], good[at:], good[:at] + b"\x00\xff" + good[at + 2 :], good + good[:at]])
    golden = b'{"observations": %s, "actions": %s}'
    odd = st.sampled_from([b"5", b"null", b"[[1],[1,2]]", b"{}", b"NaN", b'[["x"]]', b"1e999", b"[" * 9000])
    odd_golden = st.tuples(odd, odd).map(lambda pair: golden % pair)
    text = data.draw(st.one_of(cut, cut, st.binary(max_size=300), odd_golden, st.just(zipped("a.npy"))))
    reseal(folder, name, text)
    try:
        found = load_bundle(folder)
    except (InvalidBundle, BundleMismatch):
        return
    assert len(found.golden.actions)
