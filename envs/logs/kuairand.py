"""Importer of KuaiRand interaction logs (Gao et al., "KuaiRand", CIKM 2022), CSV as shipped.

A row is one video shown to one user, with what the user did. There are no auctions: market prices
are drawn from another log's model. There are no predictions: those are made from other days' outcomes.
"""

from __future__ import annotations

from pathlib import Path

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS
from bidpilot.bidding.errors import UnreadableFile
from bidpilot.bidding.event import EVENTS, Event
from bidpilot.envs.logs.formats import Format, ImportOptions
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import KpiMap, Mapping, TierMap, TimeMap

_FUNNEL: dict[Event, str] = {
    "view": "is_click",
    "complete": "long_view",
    "like": "is_like",
    "comment": "is_comment",
    "share": "is_forward",
    "follow": "is_follow",
}
"""Where the events stand; `is_click` says that the video was opened, or in a feed that plays by itself, watched."""

MAPPING = Mapping(
    quote=None,
    time=TimeMap(column="time_ms", form="epoch_ms", zone="Asia/Shanghai"),
    key=("user_id", "video_id", "time_ms"),
    exposure=KpiMap(sum={"play_time_ms": 1.0}, per="duration_ms", cap=1.0, realised=True),
    interaction=KpiMap(
        sum={
            _FUNNEL[event]: weight for event, weight in zip(EVENTS, DEFAULT_WEIGHTS.per_event(), strict=True) if weight
        },
        realised=True,
    ),
    events=_FUNNEL,
    rate_by=("video_id",),
    channel="tab",
    tier=TierMap(column="video_id"),
    source="video_id",
)
"""Completion is play time over duration; the weights of the interactions are those of the synthetic market,
with a long view for a completion. Head videos are the most shown that together make 75 % of the rows."""

NOTES = ("conversion = 0: KuaiRand has clicks and follows, but no conversions",)


LOGS = "log_*"
"""What the names of the logs are like; beside them lie tables of users and videos."""
_SETS = ("pure", "1k", "27k")


def kuairand_format(_options: ImportOptions, paths: list[Path]) -> Format:
    """The format of KuaiRand's logs.

    Raises:
        UnreadableFile: files of several of its sets (Pure, 1K, 27K), which number users and videos each on its own.
    """
    sets = {path: _set_of(path) for path in paths}
    named = sorted({name for name in sets.values() if name is not None})
    if len(named) > 1:
        raise UnreadableFile(
            f"The files are of KuaiRand's sets {', '.join(named)}, which number users and videos each on its own: the "
            "same number would be taken for the same video. Import them one by one."
        )
    return format_of(MAPPING, "kuairand", paths, NOTES)


def _set_of(path: Path) -> str | None:
    """Which set a file belongs to, by its name (`log_standard_4_08_to_4_21_27k_part1.csv`)."""
    parts = path.name.lower().split(".")[0].split("_")
    return next((name for name in _SETS if name in parts), None)
