"""Refuses a checkout in which the links to the rooms are text files, as git writes them where it may make no links."""

import os
from typing import Final

ROOMS: Final = ("agents", "bidding", "envs", "serving", "solvers", "training")
"""The folders that `bidpilot/` links to."""


class LinklessCheckout(ImportError):
    """The package's links came out of git as text files that hold where they lead, so nothing of it can be imported."""


def require_links(package: str) -> None:
    """Raise `LinklessCheckout` where a room in the folder `package` is a file; a wheel has real folders there."""
    files = [room for room in ROOMS if os.path.isfile(os.path.join(package, room))]
    if files:
        raise LinklessCheckout(
            f"{', '.join(files)} in {os.path.abspath(package)} are text files, not links to folders: this clone was "
            "made without symbolic links, as git does on Windows. Allow links (on Windows: turn on Developer Mode), "
            "then run in the clone: git config core.symlinks true; git checkout -- bidpilot. Or install a wheel that "
            "was built where links work: it needs none."
        )
