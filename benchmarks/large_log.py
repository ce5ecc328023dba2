"""Size: import and replay of a generated AuctionNet log; peak anonymous memory against the bar of 3 GB.

`python benchmarks/large_log.py [AUCTIONS [FOLDER]]`: 10 million auctions where no number is given, 200
million for the bar's own size (about 25 GB of disk for the while, removed at the end).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket

AUCTIONS, DAY_AUCTIONS, SLOTS = 10_000_000, 2_000_000, 48
BAR_GB = 3.0
_EVERY = 0.05  # seconds between two looks at the memory


def anonymous() -> float:
    """Anonymous memory of this process now, GB (10^9 bytes): what a map of a file does not count to."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/self/status has no RssAnon: this benchmark needs Linux")


@contextmanager
def measured(name: str, auctions: int) -> Iterator[None]:
    """Print auctions per second and the peak of anonymous memory of what happens inside."""
    peak, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    rate = {"value": auctions / seconds, "unit": "auctions/s", "seconds": seconds}
    print(json.dumps({"name": f"{name}_{auctions}_auctions", **rate}), flush=True)
    memory = {"value": peak[0], "unit": "GB", "baseline": BAR_GB, "ratio": peak[0] / BAR_GB}
    print(json.dumps({"name": f"{name}_peak_anonymous_memory", **memory}), flush=True)


def generate(folder: Path, auctions: int) -> None:
    """One Parquet file per day, of AuctionNet's columns, rows in a random order."""
    rng = np.random.default_rng(0)
    for day in range(-(-auctions // DAY_AUCTIONS)):
        n = min(DAY_AUCTIONS, auctions - day * DAY_AUCTIONS)
        value = rng.lognormal(-7.0, 0.6, n)
        pl.DataFrame(
            {
                "deliveryPeriodIndex": np.full(n, day, np.int16),
                "advertiserNumber": np.zeros(n, np.int16),
                "advertiserCategoryIndex": np.zeros(n, np.int16),
                "budget": np.full(n, 2000.0, np.float32),
                "CPAConstraint": np.full(n, 100.0, np.float32),
                "timeStepIndex": rng.integers(0, SLOTS, n, np.int16),
                "pvIndex": rng.permutation(n).astype(np.int32),
                "pValue": value.astype(np.float32).clip(0, 1),
                "leastWinningCost": (0.06 * rng.lognormal(0.0, 0.9, n)).astype(np.float32),
            }
        ).write_parquet(folder / f"period-{day:03}.parquet")


def replay(folder: Path) -> None:
    """Map the log and play every recorded day by the plan, side by side."""
    market = RecordedMarket(load_log(folder, memory_map=True))
    days = market.recorded(np.arange(market.log.n_days))
    forecast = fit_forecast(market, market.recorded([0]))
    episode = Episode(market, forecast, len(days))
    campaign = Campaign(budget=2000.0, preference=(0.0, 0.0, 1.0))
    episode.begin(days, CampaignBatch.repeat(campaign, len(days), days.budget, days.conversion_value, days.bounds))
    for _ in range(SLOTS):
        episode.play(np.zeros((len(days), 3 + len(market.log.segments))))


def main() -> None:
    """Print two JSON lines for each of: import, replay (decoded first), replay again (mapped already)."""
    auctions = int(sys.argv[1]) if len(sys.argv) > 1 else AUCTIONS
    folder = Path(tempfile.mkdtemp(prefix="bidpilot-large-", dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        (folder / "raw").mkdir()
        generate(folder / "raw", auctions)
        with measured("import", auctions):
            summary = run_import("auctionnet", [str(folder / "raw" / "*.parquet")], folder / "log")
        assert summary.rows_kept == auctions, summary
        shutil.rmtree(folder / "raw")
        with measured("replay_decoding", auctions):
            replay(folder / "log")
        with measured("replay_mapped", auctions):
            replay(folder / "log")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
