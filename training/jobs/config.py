"""The options that every command shares whose work can be spread."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bidpilot.training.cli.config import Config
from bidpilot.training.cli.options import GROUP
from bidpilot.training.jobs.backend import Backend

_EXTRA: Any = {GROUP: "jobs"}


def workers_field(default: int) -> Any:
    """The field `workers` of a command that has so many unless it is asked for others."""
    return Field(
        default,
        ge=0,
        json_schema_extra=_EXTRA,
        description="Jobs side by side, each in a process with one numerical thread. 0: this process does one after "
        "the other; on ray, as many as the cluster has CPUs.",
    )


class JobOptions(Config):
    """Where the jobs of a command are done."""

    workers: int = workers_field(0)
    backend: Literal["local", "ray"] = Field(
        "local",
        json_schema_extra=_EXTRA,
        description="Who does the jobs: processes of this machine, or a cluster of Ray (bidpilot[ray] on every node).",
    )
    address: str | None = Field(
        None,
        min_length=1,
        json_schema_extra=_EXTRA,
        description="Address of the Ray cluster, HOST:PORT, or auto for the one that this machine is a node of; "
        "without it a Ray of this machine's own is started for the command, on loopback.",
    )

    def spread(self) -> Backend:
        """Where the jobs are to be done.

        Raises:
            InvalidConfig: an address, and no cluster to look for there.
        """
        return Backend.of(self.backend, self.workers, self.address)
