"""What a training run learnt from, by its tags: a preset, a log and which of its days, or a market fitted to a log."""

from __future__ import annotations

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
    held_out: str | None  # campaigns held out by name; None where none was named

    @classmethod
    def of(cls, run: RunInfo) -> Lineage:
        """By the tags of a run; one without them is taken for a preset's."""
        log, part, fitted, held_out = (
            None if run.tags.get(name, _NONE) == _NONE else run.tags[name]
            for name in ("log_digest", "training_digest", "fitted_to", "held_out")
        )
        log = log or (f"fitted:{fitted}" if fitted else None)
        return cls(log, part or log, held_out)


def on_whole_log(digest: str, name: str) -> Fit:
    """Runs on the log of this digest, without those that hold campaigns out by name."""
    return f"on {name}", lambda run: (Lineage.of(run).log, Lineage.of(run).held_out) == (digest, None)


ON_A_PRESET: Final[Fit] = ("on a preset", lambda run: Lineage.of(run).log is None)
