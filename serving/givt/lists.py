"""Lists of a folder, as they are kept up to date by whoever serves:

    addresses*.txt     networks and addresses, one a line, as 203.0.113.0/24: data centres, proxies, known robots
    agents*.txt        parts of user agents, as Googlebot, whatever their capitals
    apps*.txt          bundles of apps, as com.example.app
    sites*.txt         domains of sites; those below them too
    sellers/ASI.json   sellers.json of an exchange or its like, by its domain
    ads/NAME.txt       ads.txt of a site, by its domain, or app-ads.txt of an app, by its bundle

What follows # in a line of text is a remark.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.givt.agents import Agents
from bidpilot.serving.givt.networks import Network, Networks
from bidpilot.serving.restrictions.blocks import domain_of

Seller = tuple[str, str]
"""Domain of an advertising system, and the account there."""

_MOST_BYTES = 1 << 28  # of a file
T = TypeVar("T")


@dataclass(frozen=True)
class Lists:
    """What the files say."""

    addresses: Networks = field(default_factory=lambda: Networks(()))
    agents: Agents | None = None  # found in the user agents of programs
    apps: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    sellers: dict[str, frozenset[str]] = field(default_factory=dict)  # accounts by domain of the system
    ads: dict[str, frozenset[Seller]] = field(default_factory=dict)  # who may sell, by domain or bundle

    @property
    def of_devices(self) -> bool:
        """Whether any is of devices."""
        return bool(self.addresses.count or self.agents)

    @classmethod
    def load(cls, folder: Path) -> Lists:
        """Those of a folder.

        Raises:
            InvalidServing: it is none, or a file of it cannot be read.
        """
        if not folder.is_dir():
            raise InvalidServing(
                f"{folder} is no folder. Give one with addresses.txt, agents.txt, apps.txt, sites.txt."
            )
        agents = _lines(folder, "agents*.txt")
        networks = [one for path in _files(folder, "addresses*.txt") for one in _read(path, _networks)]
        return cls(
            addresses=Networks(networks),
            agents=Agents(agents) if agents else None,
            apps=frozenset(line.lower() for line in _lines(folder, "apps*.txt")),
            sites=frozenset(map(domain_of, _lines(folder, "sites*.txt"))),
            sellers={domain_of(path.stem): _read(path, _sellers) for path in _files(folder, "sellers/*.json")},
            ads={path.stem.lower(): _read(path, _ads) for path in _files(folder, "ads/*.txt")},
        )


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _lines(folder: Path, pattern: str) -> list[str]:
    return [line for path in _files(folder, pattern) for line in _read(path, _lines_of)]


def _lines_of(path: Path) -> list[str]:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def _networks(path: Path) -> list[Network]:
    return [ip_network(line, strict=False) for line in _lines_of(path)]


def _sellers(path: Path) -> frozenset[str]:
    told = json.loads(path.read_text(encoding="utf-8-sig"))
    return frozenset(str(entry["seller_id"]).strip() for entry in told["sellers"])


def _ads(path: Path) -> frozenset[Seller]:
    parts = [[part.strip() for part in line.split(",")] for line in _lines_of(path)]
    return frozenset((domain_of(p[0]), p[1]) for p in parts if len(p) >= 3 and p[2].upper() in ("DIRECT", "RESELLER"))


def _read(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidServing(
            f"{path} cannot be read as such a list ({str(error)[:200]!r}). Write one entry a line, or take it out."
        ) from error
