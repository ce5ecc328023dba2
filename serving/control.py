"""Control: carries out what operators order of one bidder, here and as other bidders have heard it.

An order is in force when its method returns, and durable some time later: `Orders` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from bidpilot.bidding.errors import BidpilotError, InvalidServing
from bidpilot.serving import settings
from bidpilot.serving.days import Days
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import LOGGER, Cause, EventLog
from bidpilot.serving.orders import Orders, Pending
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.settings import FILE, KILL, Flat, Said, field_key, file_key, flat, unflat, whole_key

_BEFORE = "an earlier version"


class Control:
    """The campaigns that are served, and the kill switch.

    Args:
        desk: what the campaigns share.
        days: where their days run.
        events: where orders are counted.
        bidder: this bidder's name, its own among those that share the store.
        campaigns: those of the file and the command line.
        split: those of them that are served in the arms of an experiment, as the file has them without. What is ordered
            of them is kept, and holds again once they are served as they are.

    Raises:
        InvalidServing: what is stored cannot be served.
        LedgerUnavailable: the store does not answer.
    """

    def __init__(
        self,
        desk: Desk,
        days: Days,
        events: EventLog,
        bidder: str,
        campaigns: Sequence[ServedCampaign],
        split: Sequence[ServedCampaign] = (),
    ) -> None:
        self._desk, self._days, self._events = desk, days, events
        self.killed = False
        self.served: dict[str, ServedCampaign] = {}  # by name
        self.heard: dict[str, ServedCampaign] = {}  # those and the ones that were served before, by name
        self.split = {served.name: served for served in split}
        self._said: tuple[int, str] | None = None  # what is believed, and how often it has changed when that was made
        self._turn = 0
        self.on_resume: Callable[[str], None] = lambda _: None  # hears of campaigns that are to go on
        self.on_orders: list[Callable[[set[str]], None]] = []  # hear of what other bidders were ordered, by name
        self.orders = Orders(desk.keeper, bidder, self._obey, self.believes, events, _given_at)
        self._start([*campaigns, *split])

    # --- what is ordered -------------------------------------------------------------------------

    def kill(self, on: bool, by: str = "") -> list[Pending]:
        """Stop all bidding at once, or let it go on. Notices are booked all the same."""
        self._switch(on)
        self._events.record(Cause.kill_switch, f"{'on' if on else 'off'}, by {by or 'the program'}", always=True)
        return self._give({KILL: self._say(by, on)})

    def put(self, served: ServedCampaign, by: str = "", fields: Sequence[str] | None = None) -> list[Pending]:
        """Add a campaign, or change one; of one that is served, `fields` alone, or what differs.

        Raises:
            InvalidServing: it cannot be served; nothing has changed.
        """
        name, now = served.name, flat(served)
        before, file = self.served.get(name), self._file(name)
        self._apply(served)
        if before is None:
            return self._order(by, {whole_key(name): self._say(by, now, file)})
        old = flat(before)
        named = [field for field in now if now[field] != old[field]] if fields is None else fields
        if "paused" in named and not served.paused:
            self.on_resume(name)
        return self._order_fields(served, by, named)

    def keep(self, served: ServedCampaign, by: str, fields: Sequence[str]) -> list[Pending]:
        """Change `fields` of a campaign that is split: what its arms are made of, and it is served with afterwards."""
        self.split[served.name] = served
        return self._order_fields(served, by, fields)

    def remove(self, name: str, by: str = "") -> list[Pending]:
        """Stop a campaign for good. What is still told of its bids is booked, and its account stays.

        Raises:
            InvalidServing: there is no such campaign.
        """
        if name not in self.served:
            raise InvalidServing(f"no campaign {name!r} is served. GET /admin/campaigns lists those that are.")
        said = Said(by, self._desk.clock(), None, self._file(name), was=flat(self.served[name]))
        self._stop(name)
        return self._order(by, {whole_key(name): said})

    def believes(self) -> str:
        """What this bidder takes to be ordered, JSON: for other bidders to show."""
        if self._said is None or self._said[0] != self._turn:
            campaigns = {n: {"budget": s.campaign.budget, "paused": s.paused} for n, s in self.served.items()}
            self._said = self._turn, msgspec.json.encode({"killed": self.killed, "campaigns": campaigns}).decode()
        return self._said[1]

    def _order_fields(self, served: ServedCampaign, by: str, fields: Sequence[str]) -> list[Pending]:
        name, now, file = served.name, flat(served), self._file(served.name) or {}
        return self._order(by, {field_key(name, f): self._say(by, now[f], file.get(f)) for f in fields})

    def _order(self, by: str, said: dict[str, Said]) -> list[Pending]:
        for name, one in said.items():
            value = "deleted" if one.was is not None else settings.text(one.value)
            self._events.record(Cause.order, f"{name} {value}, by {by or 'the program'}", always=True)
        return self._give(said)

    def _give(self, said: dict[str, Said]) -> list[Pending]:
        return self.orders.give({name: one.text() for name, one in said.items()})

    def _say(self, by: str, value: Any, file: Any = None) -> Said:
        return Said(by, self._desk.clock(), value, file)

    def _file(self, name: str) -> Flat | None:
        said = settings.read(self.orders.get(file_key(name)))
        return None if said is None else said.value

    # --- what is carried out ---------------------------------------------------------------------

    def _switch(self, on: bool) -> None:
        self.killed = on
        self._turn += 1

    def _serve(self, served: ServedCampaign) -> None:
        """Serve a campaign as file and orders have it; one that is split bids by its arms alone."""
        if served.name in self.split:
            self.split[served.name] = self.heard[served.name] = served
        else:
            self._apply(served)

    def _apply(self, served: ServedCampaign) -> None:
        """Serve a campaign from now on as it is given."""
        day = self._days.running.get(served.name)
        if day is None:
            try:
                self._days.begin(served)
            except BidpilotError:
                raise
            except Exception as error:  # whatever a planner makes of numbers that no plan can be made with
                raise InvalidServing(
                    f"no plan can be made for campaign {served.name!r} ({type(error).__name__}: {error}). Give amounts "
                    "nearer to those that the bundle was trained with."
                ) from error
        elif day.served != served:
            self._days.stays(served)
            day.change(served)
        self.served[served.name] = self.heard[served.name] = served
        self._turn += 1

    def _stop(self, name: str) -> None:
        """Let a campaign's day run on without bids: what is told of it is booked. No other day begins."""
        self.heard[name] = self.served.pop(name)
        day = self._days.running.get(name)
        if day is not None:
            day.change(self.heard[name].model_copy(update={"paused": True}))
        self._turn += 1

    def _obey(self, names: set[str]) -> None:
        """Carry out what other bidders were ordered."""
        for hear in self.on_orders:
            hear(names)
        for name in sorted({settings.campaign_of(order) or "" for order in names}):
            try:
                if name:
                    self._follow(name)
                    if field_key(name, "paused") in names and name in self.served and not self.served[name].paused:
                        self.on_resume(name)
                elif KILL in names:
                    said = settings.read(self.orders.get(KILL))
                    self._switch(said is not None and bool(said.value))
                    by = "nobody" if said is None else said.signed()
                    self._events.record(Cause.kill_switch, f"{'on' if self.killed else 'off'}, by {by}", always=True)
            except BidpilotError as error:
                self._events.record(Cause.order_late, f"an order of another bidder cannot be obeyed: {error}")

    def _follow(self, name: str) -> None:
        found = settings.resolve(name, self.orders.get)
        if found.settings is not None:
            self._serve(unflat(name, found.settings))
        elif name in self.served:
            self._stop(name)

    # --- the start -------------------------------------------------------------------------------

    def _start(self, campaigns: Sequence[ServedCampaign]) -> None:
        """Serve what the file says, with the orders on top that still hold; say where they differ."""
        self.orders.load()
        given, moved = self._moved({c.name: flat(c) for c in campaigns})
        given |= self._read_file({c.name: flat(c) for c in campaigns})
        self._give(given)
        names = {settings.campaign_of(order) for order in self.orders.names} - {None}
        void: dict[str, Said] = {}
        for name in sorted(str(n) for n in names):
            found = settings.resolve(name, self.orders.get)
            self._tell(name, found)
            void |= {order: Said(FILE, self._desk.clock(), void=True) for order in found.stale}
            if found.settings is not None:
                self._serve(unflat(name, found.settings))
            elif found.last is not None:
                self.heard[name] = unflat(name, found.last)
        self._give(void)
        kill = settings.read(self.orders.get(KILL))
        if kill is not None and kill.value:
            self.killed = True
            LOGGER.warning("the kill switch is on, by %s: no bids are made until it is revived", kill.signed())
        if moved:
            self._when_all_durable(self._desk.state.forget_orders_before)

    def _read_file(self, entries: dict[str, Flat]) -> dict[str, Said]:
        """What the file says otherwise than at the start before."""
        given, now = {}, self._desk.clock()
        for name, entry in entries.items():
            before = self._file(name)
            if before != entry:
                given[file_key(name)] = Said(FILE, now, entry)
                for line in settings.changes(before, entry):
                    LOGGER.warning("campaign %s: %s", name, line)
        for key in self.orders.names:
            name = settings.campaign_of(key) or ""
            before = self._file(name) if key == file_key(name) else None
            if before is not None and name not in entries:
                given[key] = Said(FILE, now, None, was=before)
                LOGGER.warning("campaign %s: the file has it no longer; it is not served", name)
        return given

    def _tell(self, name: str, found: settings.Resolved) -> None:
        """Print where orders and the file differ."""
        file = self._file(name) or {}
        for key, holds in (*((k, True) for k in found.on_top), *((k, False) for k in found.stale)):
            said = settings.read(self.orders.get(key))
            assert said is not None
            field = key.removeprefix(f"{whole_key(name)}/")
            what = "the whole campaign"
            if field != key:
                what = f"{field} {settings.text(said.value)}, where the file says {settings.text(file.get(field))}"
            elif said.value is None:
                what = "deleted"
            end = "holds" if holds else "holds no longer, for the file has changed since"
            LOGGER.warning("campaign %s: the order of %s (%s) %s", name, said.signed(), what, end)

    def _moved(self, entries: dict[str, Flat]) -> tuple[dict[str, Said], bool]:
        """The orders that an earlier version kept in the state file, and whether there are any there."""
        campaigns, switches = self._desk.state.orders_before()
        given: dict[str, Said] = {}
        now = self._desk.clock()
        if switches.get(KILL) and self.orders.get(KILL) is None:
            given[KILL] = Said(_BEFORE, now, True)
        for name, told in campaigns.items():
            if self.orders.get(file_key(name)) is not None or self.orders.get(whole_key(name)) is not None:
                continue
            kept, entry = _read_before(name, told), entries.get(name)
            if entry is None:
                given[whole_key(name)] = Said(_BEFORE, now, kept)
                continue
            given |= {
                field_key(name, field): Said(_BEFORE, now, value, entry.get(field))
                for field, value in kept.items()
                if value != entry.get(field)
            }
        return given, bool(campaigns or switches)

    def _when_all_durable(self, call: Callable[[], None]) -> None:
        waiting = self.orders.pending
        left = len(waiting)
        if not left:
            call()

        def one() -> None:
            nonlocal left
            left -= 1
            if not left:
                call()

        for pending in waiting:
            pending.when_durable(one)


def _read_before(name: str, told: str) -> Flat:
    try:
        return flat(ServedCampaign.model_validate_json(told))
    except (ValueError, BidpilotError) as error:
        why = " ".join(str(error).split())[:400]
        raise InvalidServing(
            f"the state file keeps campaign {name!r} with settings that cannot be served ({why}). Move state.sqlite "
            "away: the campaign is served as the file of --campaigns has it, and the day's slots count as forecast."
        ) from error


def _given_at(text: str) -> float:
    """When an order was given, seconds since 1970; long ago where its text cannot be read."""
    try:
        return msgspec.json.decode(text, type=Said).at
    except (msgspec.MsgspecError, RecursionError):
        return 0.0
