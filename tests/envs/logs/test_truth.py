"""Words for yes and no."""

from typing import Any

import polars as pl
import pytest

from bidpilot.envs.logs.truth import truth


@pytest.mark.parametrize("word", ["1", "1.0", "t", "T", "true", "True", "TRUE", "y", "Yes", "YES", "on", " ON ", "+1"])
def test_words_for_yes(word: str) -> None:
    assert pl.DataFrame({"won": [word]}).select(truth("won")).item() is True


@pytest.mark.parametrize("word", ["0", "0.0", "0.00", "f", "False", "FALSE", "n", "NO", "off"])
def test_words_for_no(word: str) -> None:
    assert pl.DataFrame({"won": [word]}).select(truth("won")).item() is False


@pytest.mark.parametrize("word", ["2", "10", "win", "", "0.5", None])
def test_anything_else_says_nothing(word: str | None) -> None:
    assert pl.DataFrame({"won": [word]}, schema={"won": pl.String}).select(truth("won")).item() is None


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0]])
def test_columns_of_parquet(values: list[Any]) -> None:
    assert pl.DataFrame({"won": values}).select(truth("won")).to_series().to_list() == [True, False]


def test_named_words_go_before_the_usual_ones() -> None:
    frame = pl.DataFrame({"won": ["W", "lost", "0", "1", "yes"]})
    found = frame.select(truth("won", yes=["w", 0], no=["LOST", 1.0])).to_series().to_list()
    assert found == [True, False, True, False, True]
    # YAML reads a bare `no` as false: it stands for the words of that kind.
    assert frame.select(truth("won", no=[True])).to_series().to_list() == [None, None, False, False, False]
