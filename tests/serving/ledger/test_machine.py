"""The ledger of the machine: only the store's own calls, only for its owner, one commit for all, named failures."""

from __future__ import annotations

import inspect
import math
import socket
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bidpilot.bidding.errors import InvalidServing, LedgerUnavailable
from bidpilot.serving.ledger.calls import CALLS, LONGEST, receive, send
from bidpilot.serving.ledger.machine import SOCKET, MachineLedger, MachineStore
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import AccountState, Booked, Held, LedgerStore, Settlement, Win

WAIT = 10.0  # seconds


class Gated(SqliteStore):
    """Tells the sizes of batches; waits for `gate`; fails with `failing`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, time.time)
        self.batches: list[int] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.failing: Exception | None = None
        self.gate.set()

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        self.entered.set()
        assert self.gate.wait(WAIT)
        if self.failing is not None:
            raise self.failing
        self.batches.append(len(batch))
        return super().settle(batch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gated]:
    made = Gated(tmp_path / "ledger.sqlite")
    made.open("c", 1000)
    made.lease("c", "a", 1000, time.time() + 60)
    ledger = MachineLedger(made, tmp_path / SOCKET)
    ledger.start()
    yield made
    made.gate.set()
    ledger.stop()


@pytest.fixture
def worker(store: Gated, tmp_path: Path) -> Iterator[MachineStore]:
    made = MachineStore(tmp_path / SOCKET)
    yield made
    made.close()


def bill(key: str, amount: int = 1) -> Settlement:
    return Settlement(key, "c", "a", amount, math.inf)


def test_every_call_of_the_protocol_is_offered_and_no_other() -> None:
    own = {n for n, m in vars(LedgerStore).items() if inspect.isfunction(m) and not n.startswith("_")}
    assert set(CALLS) == own - {"close"}


@pytest.mark.parametrize("name", ["close", "_transaction", "__class__", "_db", "durable", ""])
def test_what_is_not_of_the_protocol_cannot_be_called(store: Gated, tmp_path: Path, name: str) -> None:
    """Whoever asks for it is cut off, and the others go on."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(WAIT)
        raw.connect(str(tmp_path / SOCKET))
        send(raw, msgspec.msgpack.encode((name, ())))
        with pytest.raises(ConnectionError):
            receive(raw)
    remote = MachineStore(tmp_path / SOCKET)
    assert remote.state("c") is not None
    remote.close()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode("open"),
        msgspec.msgpack.encode(("open", ("c", "many"))),
        msgspec.msgpack.encode(("open", ("c",))),
        msgspec.msgpack.encode(("settle", ([{"key": "k"}],))),
        msgspec.msgpack.encode(("lease", ("c", "a", 1.5, 1.0))),
    ],
)
def test_arguments_are_checked_against_the_protocol(store: Gated, tmp_path: Path, payload: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(WAIT)
        raw.connect(str(tmp_path / SOCKET))
        send(raw, payload)
        with pytest.raises(ConnectionError):
            receive(raw)
    assert store.state("c") == AccountState(1000, 0, 1000, 0)


def test_a_frame_that_is_too_long_is_not_read(store: Gated, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(WAIT)
        raw.connect(str(tmp_path / SOCKET))
        raw.sendall((LONGEST + 1).to_bytes(4, "big"))
        assert raw.recv(1) == b""


@pytest.mark.parametrize("size", [1, 3, 5000, 70_000])
def test_a_frame_may_come_in_any_pieces(size: int) -> None:
    one, other = socket.socketpair()
    frame, payload = b"", bytes(range(256)) * 600
    with one, other:
        frame = len(payload).to_bytes(4, "big") + payload
        pieces = [frame[k : k + size] for k in range(0, len(frame), size)]
        writer = threading.Thread(target=lambda: list(map(one.sendall, pieces)))
        writer.start()
        assert receive(other) == payload
        writer.join()
        one.sendall(2 * ((2).to_bytes(4, "big") + b"ab"))
        with pytest.raises(ConnectionError, match="second"):
            receive(other)


def test_the_socket_is_its_owners_alone(store: Gated, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600


def test_names_and_defaults_of_arguments_are_the_protocols(worker: MachineStore) -> None:
    grant = worker.lease(account="c", lease="b", want=5, until=1e12)
    assert (grant.granted, grant.held, grant.known) == (0, 0, False)
    with pytest.raises(TypeError):
        worker.lease("c")
    with pytest.raises(AttributeError):
        worker.nothing("c")


def test_settlements_of_several_workers_share_a_commit(store: Gated, tmp_path: Path) -> None:
    """The first is under way while those of four workers come in: they are booked in one batch."""
    workers = [MachineStore(tmp_path / SOCKET, timeout=WAIT) for _ in range(5)]
    for one in workers:
        one.state("c")  # connected
    store.gate.clear()
    with ThreadPoolExecutor(len(workers)) as pool:
        first = pool.submit(workers[0].settle, [bill("k0")])
        assert store.entered.wait(WAIT)
        asked = [pool.submit(w.settle, [bill(f"k{i}", 2), bill(f"k{i}", 2)]) for i, w in enumerate(workers[1:], 1)]
        time.sleep(0.2)
        store.gate.set()
        assert first.result(WAIT) == [Booked.settled]
        assert [a.result(WAIT) for a in asked] == [[Booked.settled, Booked.duplicate]] * 4
    assert store.batches == [1, 8]
    assert store.state("c") == AccountState(1000, 9, 991, 0)
    for one in workers:
        one.close()


@pytest.mark.parametrize("failing", [LedgerUnavailable("the disk is full"), OverflowError("the disk is full")])
def test_whatever_the_store_meets_is_a_named_error_and_the_ledger_goes_on(
    store: Gated, worker: MachineStore, failing: Exception
) -> None:
    store.failing = failing
    with pytest.raises(LedgerUnavailable, match="the disk is full"):
        worker.settle([bill("k")])
    store.failing = None
    assert worker.settle([bill("k")]) == [Booked.settled]


def test_wins_of_several_workers_share_a_commit_too(store: Gated, tmp_path: Path) -> None:
    """Beside bills, in one turn of the ledger: a win that comes together with its bill is told before it."""
    workers = [MachineStore(tmp_path / SOCKET, timeout=WAIT) for _ in range(3)]
    for one in workers:
        one.state("c")  # connected
    store.gate.clear()
    with ThreadPoolExecutor(len(workers)) as pool:
        first = pool.submit(workers[0].settle, [bill("k0")])
        assert store.entered.wait(WAIT)
        billed = pool.submit(workers[1].settle, [bill("k1", 3)])
        told = pool.submit(workers[2].win, [Win("k1", "c", "a", 5, math.inf, 1e12), Win("k2", "c", "a", 5, 0.0, 1e12)])
        time.sleep(0.2)
        store.gate.set()
        assert first.result(WAIT) == billed.result(WAIT) == [Booked.settled]
        assert told.result(WAIT) == [Held.held, Held.late]
    state = store.state("c")
    assert state is not None
    assert (state.settled, state.won) == (4, 5)
    for one in workers:
        one.close()


def test_a_settlement_that_cannot_be_booked_keeps_no_other_workers_from_it(store: Gated, tmp_path: Path) -> None:
    workers = [MachineStore(tmp_path / SOCKET, timeout=WAIT) for _ in range(3)]
    for one in workers:
        one.state("c")  # connected
    store.gate.clear()
    with ThreadPoolExecutor(len(workers)) as pool:
        first = pool.submit(workers[0].settle, [bill("k0")])
        assert store.entered.wait(WAIT)
        poisoned = pool.submit(workers[1].settle, [bill("k1", 1 << 63)])
        sound = pool.submit(workers[2].settle, [bill("k2", 2)])
        time.sleep(0.2)
        store.gate.set()
        assert first.result(WAIT) == sound.result(WAIT) == [Booked.settled]
        with pytest.raises(LedgerUnavailable, match="OverflowError"):
            poisoned.result(WAIT)
    assert store.state("c") == AccountState(1000, 3, 997, 0)
    for one in workers:
        one.close()


def test_what_no_integer_of_the_ledger_holds_is_a_named_error(worker: MachineStore) -> None:
    for amount in (1 << 63, 1 << 70):  # beyond SQLite's, and beyond MessagePack's
        with pytest.raises(LedgerUnavailable):
            worker.set_budget("c", amount)
    assert worker.state("c") == AccountState(1000, 0, 1000, 0)


def test_a_ledger_that_does_not_answer_in_time_is_unavailable_and_its_late_answer_is_nobodys(
    store: Gated, tmp_path: Path
) -> None:
    hasty = MachineStore(tmp_path / SOCKET, timeout=0.1)
    store.gate.clear()
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        hasty.settle([bill("k")])
    store.gate.set()
    patient = MachineStore(tmp_path / SOCKET)
    assert patient.settle([bill("k")]) == [Booked.duplicate]  # it was booked all the same, once
    assert hasty.state("c") == AccountState(1000, 1, 999, 0)
    hasty.close()
    patient.close()


def test_a_worker_finds_the_ledger_again(tmp_path: Path) -> None:
    remote = MachineStore(tmp_path / SOCKET)
    for turn in range(2):
        with pytest.raises(LedgerUnavailable, match="does not answer"):
            remote.state("c")
        ledger = MachineLedger(SqliteStore(tmp_path / "ledger.sqlite", time.time), tmp_path / SOCKET)
        ledger.start()
        assert remote.open("c", 5 + turn).budget == 5
        ledger.stop()
    assert not (tmp_path / SOCKET).exists()
    remote.close()


def test_a_socket_left_behind_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    ledger = MachineLedger(SqliteStore(tmp_path / "ledger.sqlite", time.time), tmp_path / SOCKET)
    ledger.start()
    remote = MachineStore(tmp_path / SOCKET)
    assert remote.open("c", 7).budget == 7
    remote.close()
    ledger.stop()


def test_a_state_folder_too_deep_for_a_socket_is_a_named_error(tmp_path: Path) -> None:
    store: Any = None
    with pytest.raises(InvalidServing, match="shorter --state"):
        MachineLedger(store, tmp_path / ("x" * 120) / SOCKET)
