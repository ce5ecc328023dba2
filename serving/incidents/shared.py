"""What operators say of incidents reaches all bidders of a store: each keeps its own, under the same names."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving import settings

if TYPE_CHECKING:
    from bidpilot.serving.control import Control
    from bidpilot.serving.orders import Pending

_KIND = "incidents/"
_KEPT = 16  # actions in one order: what another bidder may have missed


class Shared:
    """Tells and hears actions of operators by the orders of a store; nothing where no store is shared.

    Args:
        control: whose orders they are.
        obey: carries out an action that another bidder was told.
    """

    def __init__(self, control: Control, obey: Callable[[dict[str, Any]], None]) -> None:
        self._orders, self._obey = control.orders, obey
        self._known: set[str] = set()
        if self._orders.shared:
            control.on_orders.append(self.hear)
            for name in self._orders.names:  # those of before the start are in the files, or nobody's
                self._known.update(map(_key, self._said(name)))

    def tell(self, campaign: str, action: dict[str, Any]) -> list[Pending]:
        """Tell all bidders what was done here."""
        if not self._orders.shared:
            return []
        name, action = f"{_KIND}{campaign}", action | {"key": secrets.token_hex(8)}
        self._known.add(_key(action))
        said = settings.Said(action["by"], action["at"], [*self._said(name), action][-_KEPT:])
        return self._orders.give({name: said.text()})

    def hear(self, names: set[str]) -> None:
        """Carry out what is new of these orders."""
        for name in sorted(names):
            for action in self._said(name):
                if (key := _key(action)) not in self._known:
                    self._known.add(key)
                    self._obey(action)

    def _said(self, name: str) -> list[dict[str, Any]]:
        if not name.startswith(_KIND):
            return []
        try:
            said = settings.read(self._orders.get(name))
            return [] if said is None else msgspec.convert(said.value, list[dict[str, Any]])
        except (InvalidServing, msgspec.ValidationError):  # of another version: its operators see to it there
            return []


def _key(action: dict[str, Any]) -> str:
    return str(action.get("key"))
