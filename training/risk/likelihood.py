"""How likely a risk is on a day of a campaign: what suites say, and what incident files have seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from scipy.special import betaincinv

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.incident import Incident
from bidpilot.training.evaluation.catalogue import SuiteRecord

INCIDENTS = "incidents"
"""Folder of incident files within a state folder."""
_PRIOR = 0.5  # of both kinds of days: Jeffreys' prior of a probability
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Likelihood:
    """A probability of a day, and how well it is known."""

    mean: float
    low: float
    high: float
    evidence: str


@dataclass(frozen=True)
class History:
    """What was noticed on how many days of campaigns."""

    incidents: tuple[Incident, ...]
    watched: int  # days of campaigns

    def likelihood(self, risk: Risk) -> Likelihood:
        """Of a day with an incident of this risk, that of a bidder counted as one of each day."""
        hit = len({(each.campaign, each.day) for each in self.incidents if each.risk == risk})
        mean, low, high = of_days(min(hit, self.watched), self.watched)
        return Likelihood(mean, low, high, f"{hit} of {self.watched} days of campaigns")


def of_days(hit: int, days: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of the probability of a day, of which `hit` of `days` had it.

    The posterior is Beta(hit + 1/2, days - hit + 1/2) by Jeffreys' prior; its interval reaches to 0 where no day had
    it, and to 1 where all had (Brown, Cai and DasGupta 2001, section 3.1.3).
    """
    a, b = hit + _PRIOR, days - hit + _PRIOR
    low, high = (float(betaincinv(a, b, tail)) for tail in _TAILS)
    return a / (a + b), low if hit else 0.0, high if hit < days else 1.0


def of_suites(records: Sequence[SuiteRecord], chance: Callable[[SuiteRecord], float]) -> Likelihood:
    """Mean, least and greatest of what these suites' markets say."""
    chances = {record.name: chance(record) for record in records}
    having = [f"{name} {p:g}" for name, p in chances.items() if p > 0]
    told = ", ".join(having) if having else f"none of {len(chances)} suites has it"
    return Likelihood(sum(chances.values()) / len(chances), min(chances.values()), max(chances.values()), told)


def history(state: Path | None, incidents: Path | None, watched: int | None) -> History | None:
    """What was noticed; None where neither a state folder nor one of incidents is given.

    Raises:
        InvalidConfig: a folder is not there, or a file holds no incident; no day was watched.
    """
    if state is None and incidents is None:
        return None
    for folder in (state, incidents):
        if folder is not None and not folder.is_dir():
            raise InvalidConfig(f"{folder} is no folder. Give a bid server's state folder, or one of incident files.")
    folder = incidents or (state or Path()) / INCIDENTS
    found = tuple(_read(file) for file in sorted(folder.rglob("*.json")))
    days = watched or (_kept(state) if state is not None else 0) or _spanned(found)
    if days == 0:
        raise InvalidConfig(f"{folder} has no incident, and no day is known to be watched. Give --watched DAYS.")
    return History(found, days)


def _read(file: Path) -> Incident:
    try:
        return Incident.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise InvalidConfig(f"{file} holds no incident ({why}). Move it away, or mend it.") from error


def _kept(state: Path) -> int:
    """Days of campaigns of which the state folder keeps slots."""
    file = state / "state.sqlite"
    if not file.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT COUNT(DISTINCT account) FROM slots").fetchone()[0])
    except sqlite3.Error as error:
        raise InvalidConfig(f"{file} cannot be read ({error}). Give --watched DAYS.") from error


def _spanned(incidents: Iterable[Incident]) -> int:
    """Days from the first incident to the last, for each campaign that had some."""
    days: dict[str, list[int]] = {}
    for each in incidents:
        days.setdefault(each.campaign, []).append(each.day.toordinal())
    return sum(max(own) - min(own) + 1 for own in days.values())
