"""Where jobs are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bidpilot.bidding.errors import InvalidConfig


@dataclass(frozen=True)
class Backend:
    """Processes of this machine, or a cluster."""

    name: Literal["local", "ray"] = "local"
    workers: int = 0  # local: 0 is this process itself; ray: 0 is a worker for each CPU of the cluster
    address: str | None = None  # of the Ray cluster; None starts one here

    @classmethod
    def of(cls, name: Literal["local", "ray"], workers: int, address: str | None) -> Backend:
        """As options say.

        Raises:
            InvalidConfig: an address for the local backend.
        """
        if address is not None and name != "ray":
            raise InvalidConfig(f"--address {address} is of a Ray cluster. Give --backend ray too, or leave it out.")
        return cls(name, workers, address)

    @property
    def here(self) -> bool:
        """Whether this process does the jobs itself."""
        return self.name == "local" and self.workers == 0
