"""What a training run learnt from, by its tags: a preset, a log and which of its days, or a market fitted to a log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bidpilot.training.tracking.find import RunInfo
from bidpilot.training.tracking.learned import Fit

_NONE = "none"


@dataclass(frozen=True)
class Lineage:
    """Where a policy comes from."""

    log: str | None  # digest of the whole log, `fitted:DIGEST` of a market fitted to one; None for a preset
    part: str | None  # digest of the log's days that were trained on, `log` where the run does not say; None likewise
    held_out: tuple[str, ...] = ()  # campaigns held out by name, sorted
    carries: str = "rates"  # what of conversions its forecast holds: rates, or money

    @property
    def forecast(self) -> tuple[str | None, str]:
        """Runs on a log that share it share a forecast."""
        return self.part, self.carries

    @classmethod
    def of(cls, run: RunInfo) -> Lineage:
        """By the tags of a run; one without them is taken for a preset's."""
        log, part, fitted = (
            None if run.tags.get(name, _NONE) == _NONE else run.tags[name]
            for name in ("log_digest", "training_digest", "fitted_to")
        )
        log = log or (f"fitted:{fitted}" if fitted else None)
        # what was trained before a run said what carries over is in money
        return cls(log, part or log, _named(run.tags.get("held_out", _NONE)), run.tags.get("carries", "money"))


def held_out_tag(campaigns: Sequence[str]) -> str:
    """The tag of the campaigns held out by name: a JSON list, as a name may hold a comma or be `none` itself."""
    return json.dumps(sorted(set(campaigns)), ensure_ascii=False) if campaigns else _NONE


def _named(tag: str) -> tuple[str, ...]:
    """Of a tag; runs of before have the names with commas."""
    if tag == _NONE:
        return ()
    return tuple(json.loads(tag)) if tag.startswith('["') else tuple(tag.split(","))


def on_whole_log(digest: str, name: str, carries: str) -> Fit:
    """Runs on the log of this digest whose forecast holds `carries`, without those that hold campaigns out by name."""

    def fits(run: RunInfo) -> bool:
        lineage = Lineage.of(run)
        return (lineage.log, lineage.held_out, lineage.carries) == (digest, (), carries)

    return f"on {name} whose forecast holds {carries}", fits


ON_A_PRESET: Final[Fit] = ("on a preset", lambda run: Lineage.of(run).log is None)
