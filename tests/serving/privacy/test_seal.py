"""Encrypted files: what was written is read, with its key alone, and whatever is changed in it is an error by name."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidKey, SealBroken, WrongKey
from bidpilot.envs.logs import outcomes
from bidpilot.serving.privacy.fields import MARK, Fields
from bidpilot.serving.privacy.keys import BYTES, Key, new_key, read_key
from bidpilot.serving.privacy.seal import MAGIC, is_sealed, read_plain, seal, sealed_with, unseal, write_sealed

KEY, OTHER = Key(bytes(range(32))), Key(bytes(32))
CHUNK, HEAD, TAG = 64, 46, 16


def sealed(data: bytes, chunk: int = CHUNK, key: Key = KEY) -> bytes:
    out = io.BytesIO()
    seal(key, io.BytesIO(data), out, chunk)
    return out.getvalue()


def unsealed(data: bytes, key: Key | None = KEY) -> bytes:
    out = io.BytesIO()
    unseal(key, io.BytesIO(data), out, "the file")
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(size=st.integers(0, 5 * CHUNK), chunk=st.sampled_from([1, CHUNK, 4096]))
def test_what_was_written_is_read(size: int, chunk: int) -> None:
    data = os.urandom(size)
    text = sealed(data, chunk)
    assert unsealed(text) == data
    assert len(text) == HEAD + size + TAG * max(-(-size // chunk), 1)


def test_nothing_of_what_was_written_can_be_seen_nor_that_it_was_the_same() -> None:
    assert sealed(b"secret" * 50).count(b"secret") == 0
    first, second = sealed(b"x" * 200), sealed(b"x" * 200)
    assert first[HEAD:] != second[HEAD:]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), chunks=st.integers(1, 5), rest=st.integers(0, CHUNK - 1))
def test_whatever_is_changed_is_an_error_by_name(data: st.DataObject, chunks: int, rest: int) -> None:
    text = bytearray(sealed(os.urandom(chunks * CHUNK + rest)))
    block = CHUNK + TAG
    blocks = [bytes(text[at : at + block]) for at in range(HEAD, len(text), block)]
    how = data.draw(
        st.sampled_from(["alter", "cut", "append", *(["swap", "drop", "repeat"] if len(blocks) > 1 else [])])
    )
    if how == "alter":
        text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del text[data.draw(st.integers(0, len(text) - 1)) :]
    elif how == "append":
        text += os.urandom(data.draw(st.integers(1, 2 * block)))
    else:
        at = data.draw(st.integers(0, len(blocks) - 2))
        if how == "swap":
            blocks[at], blocks[at + 1] = blocks[at + 1], blocks[at]
        elif how == "drop":
            del blocks[data.draw(st.integers(0, len(blocks) - 1))]
        else:
            blocks.insert(at, blocks[at])
        text[HEAD:] = b"".join(blocks)
    with pytest.raises((SealBroken, WrongKey), match="the file"):
        unsealed(bytes(text))


def test_chunks_of_another_file_of_the_same_key_are_not_taken() -> None:
    first, second = sealed(b"a" * 200), sealed(b"b" * 200)
    with pytest.raises(SealBroken):
        unsealed(first[:HEAD] + second[HEAD:])


@pytest.mark.parametrize("key", [OTHER, None])
def test_another_key_or_none_says_which_is_needed(key: Key | None) -> None:
    with pytest.raises(WrongKey, match=f"{KEY.name.hex()}.*--key-file"):
        unsealed(sealed(b"x"), key)


def test_a_file_is_read_whether_it_is_encrypted_or_not(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"data")
    write_sealed(tmp_path / "sealed", b"data", KEY)
    assert [read_plain(tmp_path / name, KEY) for name in ("plain", "sealed")] == [b"data", b"data"]
    assert [is_sealed(tmp_path / name) for name in ("plain", "sealed")] == [False, True]
    assert [sealed_with(tmp_path / name) for name in ("plain", "sealed")] == [None, KEY.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "sealed"]
    assert (tmp_path / "sealed").stat().st_mode & 0o077 == 0


def test_the_importer_knows_what_encrypted_files_begin_with() -> None:
    assert MAGIC.startswith(outcomes.SEALED_MAGIC)


# --- texts ---------------------------------------------------------------------------------------


@given(text=st.text(), place=st.tuples(st.text(), st.integers()))
@settings(max_examples=50, deadline=None)
def test_a_text_is_read_where_it_was_written_and_nowhere_else(text: str, place: tuple[str, int]) -> None:
    fields = Fields(KEY)
    written = fields.seal(text, *place)
    assert written != fields.seal(text, *place)
    assert fields.open(written, *place) == text
    with pytest.raises(SealBroken):
        fields.open(written, *place, "elsewhere")
    with pytest.raises(WrongKey):
        Fields(OTHER).open(written, *place)
    with pytest.raises(WrongKey, match="no key is given"):
        Fields(None).open(written, *place)


def test_texts_of_before_there_was_a_key_are_read() -> None:
    assert Fields(None).seal("text", "slots") == "text"
    assert Fields(KEY).open("text", "slots") == "text"


@pytest.mark.parametrize("odd", ["", "AAAA", "=", "ä"])
def test_texts_that_were_altered_are_errors_by_name(odd: str) -> None:
    with pytest.raises((SealBroken, WrongKey), match="the state's slots"):
        Fields(KEY).open(MARK + odd, "slots")


# --- keys ----------------------------------------------------------------------------------------


def test_a_new_key_is_its_owners_alone_and_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key"
    key = new_key(path)
    assert read_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert key != new_key(tmp_path / "other")
    with pytest.raises(InvalidKey, match="never replaced"):
        new_key(path)
    assert read_key(path) == key
    assert read_key(None) is None
    assert "secret" not in repr(key)
    assert str(key.secret) not in repr(key)


@pytest.mark.parametrize("form", [KEY.secret, base64.b64encode(KEY.secret), base64.b64encode(KEY.secret) + b"\n"])
def test_a_key_is_32_bytes_raw_or_in_base64(tmp_path: Path, form: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(form)
    path.chmod(0o600)
    assert read_key(path) == KEY


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(BYTES - 1), bytes(BYTES + 1), b"*" * 44, base64.b64encode(bytes(16))]
)
def test_what_is_no_key_is_a_named_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(InvalidKey, match="new-key"):
        read_key(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    new_key(path)
    path.chmod(mode)
    with pytest.raises(InvalidKey, match="chmod 600"):
        read_key(path)


def test_a_key_that_is_not_there_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidKey, match="new-key"):
        read_key(tmp_path / "nothing")
