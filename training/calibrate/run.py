"""The `calibrate` command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich.console import Console

from bidpilot.bidding.errors import NotAMarket
from bidpilot.training.calibrate.config import CalibrateConfig
from bidpilot.training.report.progress import waiting

FIT_FILE, FIGURE_FILE = "fit.json", "fit.png"


def run(config: CalibrateConfig) -> None:
    """Fit a market to a log, store it, and print and draw how well its days look like the recorded ones."""
    # Polars, numba and matplotlib load only when this command runs.
    from bidpilot.envs import seeding
    from bidpilot.envs.logs.storage import load_log
    from bidpilot.envs.markets.fitted.compare import compare
    from bidpilot.envs.markets.fitted.fit import calibrate
    from bidpilot.envs.markets.fitted.model import CalibratedMarket
    from bidpilot.envs.markets.recorded.carrying import carry_over
    from bidpilot.training.report.fitted_market import fitted_market_figure

    _check_folder(config.out)
    console = Console()
    with waiting(console, f"fitting a market to {config.log}"):
        log = load_log(config.log, memory_map=None)
        how = carry_over(log, config.carries)
        model = calibrate(log, config.level_slots, config.traffic_slots, config.name, how.carries)
    levels = model.record.levels
    # Days that no training sees: how the market looks must not depend on the days that are trained on.
    market = CalibratedMarket(model, np.random.SeedSequence([seeding.LOG_HELD_OUT, config.seed]))
    rng = seeding.stream(seeding.VALIDATION, config.seed)
    with waiting(console, f"comparing {config.days} of its days with the log"):
        fit = compare(log, market, config.days, levels.traffic_slots, rng, how.carries)
    numbers = fit.numbers()
    model.save(config.out)
    (config.out / FIT_FILE).write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    title = f"{model.record.name}: {config.days} days beside {log.n_days} recorded ones"
    fitted_market_figure(fit, title).savefig(config.out / FIGURE_FILE, dpi=120)
    print(f"market {model.record.name!r} in {config.out}, fitted on {log.name!r} ({log.n_days} days)")
    print(how)
    for name, gap in numbers.items():
        kind = "difference" if name == "win_curve" or "autocorrelation" in name else "relative difference"
        print(f"  {name:<28} {gap:+.3f}  {kind}")
    print(f"figure: {config.out / FIGURE_FILE}; train on it with: bidpilot train --log {config.out}")


def _check_folder(folder: Path) -> None:
    from bidpilot.envs.markets.fitted.model import MODEL_FILE

    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MODEL_FILE).is_file()):
        raise NotAMarket(f"{folder} exists and is no market; it was left alone. Name an empty or new folder.")
