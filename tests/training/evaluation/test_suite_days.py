"""The days of every suite stay bit for bit: what was measured on them can be compared with what will be."""

import dataclasses
import hashlib

import numpy as np
import pytest

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import held_out

HELD = {
    "steady": ("639d3a5d19323ac889dbf8756970401c", "210de42d488ca3ba857a7a05324b2454"),
    "daily": ("639d3a5d19323ac889dbf8756970401c", "45fca15a261180ecd6c306cb46369f88"),
    "shift": ("cf0d3cc0ec111f9c763bed39f7e44100", "555416e23f5d873899f2787555af08ab"),
    "sparse": ("f45ff5ee8f661ac35bdb941400724087", "553d6613346e306aa5d67600cbd44048"),
    "first_price": ("639d3a5d19323ac889dbf8756970401c", "4b3b97926a6dc8a7fa40b02cc319bcbb"),
    "won_only": ("639d3a5d19323ac889dbf8756970401c", "84207e3107f677ff27e1208d86400938"),
    "delayed": ("639d3a5d19323ac889dbf8756970401c", "379ce4db2cd1dd67f5746d5ba844d541"),
    "invalid": ("1c4f476f07e33a32152216e7f0a134ce", "90d431f365acb9cf7d2da6e3656be472"),
    "cpa": ("639d3a5d19323ac889dbf8756970401c", "e80efd34804182f5dd75bd76c62bd37c"),
    "balanced": ("639d3a5d19323ac889dbf8756970401c", "2109bfd273386918e48843258afa826d"),
    "tail": ("639d3a5d19323ac889dbf8756970401c", "0c292a80315b36260a7f848ab8f73b16"),
    "week": ("639d3a5d19323ac889dbf8756970401c", "c8d3f5425963203e8c4c0eacefa064c5"),
    "stealth": ("639d3a5d19323ac889dbf8756970401c", "51627bc9ab9cba4bd2811b806e4570fc"),
    "bots": ("1c4f476f07e33a32152216e7f0a134ce", "88dc63b646b466e8610e3bfca0f4dcb4"),
    "viral": ("639d3a5d19323ac889dbf8756970401c", "cabfb2a3a6bf3cfedf56fb11ecc27fd7"),
    "persistent": ("639d3a5d19323ac889dbf8756970401c", "a485557c39450144b72260ffa5eafeb8"),
    "worlds": ("e60b90384ea6a88f132733b5e64d3e24", "26c6d0713ad02360ffb1689813b6eacd"),
    "rivals": ("75fb9fc17628e4489ae37976ca3fffba", "87a376f0f8b4ae0246d4a5b5f0ff175b"),
}
"""Suite to the digest of its held-out log, and of the first 1,500 days of seed 0, 150 where rivals play them."""


def digest(days: DayBatch) -> str:
    """Of every column that is played, its name, type and shape; of dates where there are some, and of sources where the
    days do something to them."""
    found = hashlib.blake2b(digest_size=16)
    columns = {column.name: getattr(days, column.name) for column in dataclasses.fields(days)}
    sources, _, answers = columns.pop("sources"), columns.pop("uniforms"), columns.pop("answers")
    if answers is not None:  # prices of rivals are what a compiled exponential makes them, on each processor its own
        columns |= answers.columns._replace(market_price=None)._asdict()
    if days.date is None:
        columns.pop("date")
    for name, values in (columns | ({} if sources is None else sources._asdict())).items():
        found.update(name.encode())
        found.update(b"none" if values is None else f"{values.dtype}{values.shape}".encode())
        found.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def test_every_suite_is_held() -> None:
    assert set(HELD) == set(SUITES)


@pytest.mark.parametrize("name", HELD)
def test_the_days_of_a_suite_are_what_they_were(name: str) -> None:
    market, days = held_out(SUITES[name], 150 if SUITES[name].rivals else 1500, 0)
    assert (market.log.digest, digest(days)) == HELD[name]
