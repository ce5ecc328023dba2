"""Which filter of traffic an agent plays behind: the detector, one that is told, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import Detector, detector_for
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.envs.bidding_env.oracle import InformedFilter

if TYPE_CHECKING:
    from bidpilot.training.evaluation.play import Arena

FilterOf = Callable[["Arena", TrafficFilter | None], TrafficFilter | None]
"""Makes the filter of an arena's days; None: every request passes.

The second argument is the filter of the same rows on the day before, whose memory goes on; None on a first day.
"""


def detected(arena: Arena, before: TrafficFilter | None = None) -> TrafficFilter | None:
    """The detector, which is told nothing; None where the forecast tells no sources apart.

    It goes on with what it remembers of the day before.
    """
    memory = before.remember() if isinstance(before, Detector) else None
    return detector_for(arena.forecast, len(arena.days), memory)


def behind(detector: bool) -> FilterOf:
    """The detector, or no filter."""
    return detected if detector else unfiltered


def told(arena: Arena, before: TrafficFilter | None = None) -> TrafficFilter:
    """What knows which traffic is invalid, by source and slot."""
    return InformedFilter(arena.traffic)


def unfiltered(arena: Arena, before: TrafficFilter | None = None) -> None:
    """No filter."""
    return


def missing_told(name: str, forecast: Forecast, asked: bool) -> str:
    """A line where the detector that was `asked` for cannot be: a log of one source, or an older forecast."""
    if not asked or forecast.source_share is not None:
        return ""
    return (
        f"{name}: without the traffic filter, since its forecast tells no sources apart. Where the log has some, train "
        "again.\n"
    )
