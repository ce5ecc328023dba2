"""Files whose arithmetic is money or score, and the tests that must notice when it changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A file and its tests, the quickest first; paths from the root of the repository."""

    file: str
    tests: tuple[str, ...]


_LEDGER = (
    "tests/serving/ledger/test_keeper.py",
    "tests/serving/ledger/test_store.py",
    "tests/serving/ledger/test_wallet.py",
)
_DAY = ("tests/serving/test_campaign_day.py", "tests/serving/test_bidder.py")
_SCORE = ("tests/envs/bidding_env/test_score.py", "tests/envs/bidding_env/test_episode.py")
_CLEARING = ("tests/envs/clearing/test_slot.py", "tests/envs/bidding_env/test_episode.py")
_HINDSIGHT = ("tests/solvers/test_hindsight_cpa.py", "tests/solvers/test_hindsight.py")

TARGETS = (
    Target("serving/ledger/store.py", (*_LEDGER, "tests/serving/test_campaign_day.py")),
    Target("serving/ledger/keeper.py", _LEDGER),
    Target("serving/ledger/sqlite.py", _LEDGER),
    Target("serving/ledger/wallet.py", (*_LEDGER, "tests/serving/test_campaign_day.py")),
    Target("serving/campaign_day.py", _DAY),
    Target("serving/collector.py", ("tests/serving/test_collector.py", "tests/serving/test_pilot.py")),
    Target("serving/guardrails.py", ("tests/serving/test_guardrails.py",)),
    Target("serving/notices.py", ("tests/serving/test_notices.py",)),
    Target("serving/pricer.py", ("tests/serving/test_pricer.py", "tests/serving/test_bidder.py")),
    Target("bidding/rule.py", ("tests/bidding/test_rule.py",)),
    Target("bidding/campaign/scalarisation.py", ("tests/bidding/campaign/test_scalarisation.py",)),
    Target("bidding/day/statistics.py", ("tests/bidding/day/test_statistics.py",)),
    Target("bidding/landscape/spread.py", ("tests/bidding/landscape/test_spread.py",)),
    Target("bidding/landscape/shading.py", ("tests/bidding/landscape/test_shading.py",)),
    Target("bidding/constraints/target.py", _SCORE),
    Target("bidding/constraints/max_cpa.py", ("tests/bidding/constraints/test_rows.py", *_SCORE)),
    Target("envs/bidding_env/episode.py", _SCORE),
    Target("envs/clearing/slot.py", _CLEARING),
    Target("envs/clearing/settle.py", _CLEARING),
    Target("envs/clearing/auction.py", _CLEARING),
    Target("solvers/hindsight_frontier.py", ("tests/solvers/test_hindsight_frontier.py",)),
    Target("solvers/hindsight_cpa.py", _HINDSIGHT),
    Target("solvers/hindsight.py", _HINDSIGHT),
    Target("training/evaluation/statistics.py", ("tests/training/evaluation/test_statistics.py",)),
    Target("training/evaluation/rows.py", ("tests/training/evaluation/test_rows.py",)),
    Target("training/evaluation/play.py", ("tests/training/evaluation/test_play.py",)),
)
