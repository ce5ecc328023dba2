"""What the values of impressions cost: a request's answer with values of its own, and with each kind of predictor.

All in turns, in one process, from a request's bytes to the answer's. Prints JSON lines; the baseline is a request with
values.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np

from bidpilot.serving.access import ANYONE
from bidpilot.serving.build import open_bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.prediction.rates import HOURS, Cell, Rates, RatesFile
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.server import applications

SERVING = run_path(str(Path(__file__).with_name("serving.py")))
REQUEST: dict[str, Any] = SERVING["REQUEST"]
TURNS, EACH = 60, 200
MOST = 1.5  # times the CPU time of a request with values


def rates(sources: int) -> Rates:
    """Rates of every cell."""
    formats = ("video", "banner", "native", "any")
    cells = [
        Cell(source=s, format=f, hour=h, rate=(0.6, 0.25, 0.006))  # type: ignore[arg-type]
        for s in range(sources) for f in formats for h in range(HOURS)
    ]  # fmt: skip
    file = RatesFile(
        sources=sources, days=1, first="", last="", wins=1, strength={}, all=(0.6, 0.25, 0.006), source={},
        cells=tuple(cells),
    )  # fmt: skip
    return Rates(file, sources, Path("rates"))


def predict(view: RequestView) -> list[list[float]]:
    """A predictor that looks at most of a request."""
    base = 0.2 if view.user is None else 0.25
    more = 0.0 if view.place.content is None else 0.01
    return [[0.6, base + more * (imp.format == "video"), 0.006] for imp in view.impressions]


def without_values() -> bytes:
    """The request as an exchange sends it that has never heard of us."""
    body: dict[str, Any] = json.loads(json.dumps(REQUEST))
    for imp in body["imp"]:
        imp.pop("ext")
    return json.dumps(body).encode()


async def answered(app: ExchangeApp, raw: bytes) -> None:
    """One request, as the HTTP application answers it once it has its bytes."""
    request, predictions, told = read_request(raw, app.metrics.forms), app.reader.predictions, {}
    if predictions.own is not None:
        told = await predictions.ask(request, raw, 1.0)
    body, offer = app.answer(request, ANYONE, app.watch(), told)
    assert body is not None and offer.bids  # noqa: PT018


async def measure(app: ExchangeApp, cases: dict[str, tuple[bytes, Callable[[], None]]]) -> dict[str, np.ndarray]:
    """CPU and wall microseconds of a request (TURNS, 2) for each case, in turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    answer: Callable[[ExchangeApp, bytes], Awaitable[None]] = answered
    for turn in range(TURNS + 2):
        for name in sorted(cases, reverse=bool(turn % 2)):
            raw, prepare = cases[name]
            prepare()
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(EACH):
                await answer(app, raw)
            found[name].append((1e6 * (time.process_time() - cpu) / EACH, 1e6 * (time.perf_counter() - wall) / EACH))
            app.bidder.tick()
    return {name: np.array(rows[2:]) for name, rows in found.items()}


def main() -> None:
    """Print one JSON line per kind of predictor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = SERVING["make_bundle"](folder)
        guard = GuardrailConfig(slot_share=1.0)
        config = ServeConfig(bundle=bundle, state=folder / "state", guardrails=guard, bid_expiry=1.0, grace=1.0)
        with open_bidder(config) as bidder:
            SERVING["rich"](bidder)
            app, _ = applications(bidder, config, "http://127.0.0.1:8080")
            known, predictions = rates(bidder.desk.sources), app.reader.predictions
            gc.collect()
            gc.freeze()

            def built_in(with_rates: Rates | None) -> Callable[[], None]:
                def prepare() -> None:
                    predictions.close()
                    predictions.own, predictions.rates = None, with_rates
                    predictions._follow()

                return prepare

            def own() -> None:
                predictions.ask_first(predict, 1.0, print)

            raw = without_values()
            found = asyncio.run(
                measure(
                    app,
                    {
                        "with_values": (json.dumps(REQUEST).encode(), built_in(None)),
                        "forecast": (raw, built_in(None)),
                        "rates": (raw, built_in(known)),
                        "own": (raw, own),
                    },
                )
            )
    base = float(np.median(found["with_values"][:, 0]))
    for case, rows in found.items():
        cpu, ratio = float(np.median(rows[:, 0])), float(np.median(rows[:, 0] / found["with_values"][:, 0]))
        wall = float(np.median(rows[:, 1]))
        SERVING["report"](f"values_{case}", cpu, "us of CPU a request", base, paired=ratio, most=MOST, wall_us=wall)


if __name__ == "__main__":
    main()
