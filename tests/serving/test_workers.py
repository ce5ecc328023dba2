"""Several workers on one port are one bidder: any of them takes bids and bills, and kills of them lose no money."""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.server import run
from tests.serving.conftest import write_controller_bundle
from tests.serving.prediction.test_rates import written
from tests.serving.served import Client, Served, imp, only_bid
from tests.serving.test_kill import KILLS, OPTIONS, Operator, check, read_sqlite, start_load, use_up

WORKERS = 2
MANY = 24  # connections: the odds that one of two workers gets none of them are 1 to 8 million
ALL = (*OPTIONS, "--workers", str(WORKERS))


def workers(server: Served) -> list[int]:
    """The supervisor's children."""
    return [
        int(pid) for pid in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    ]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def soon(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def half(bid: dict[str, Any]) -> float:
    """A price of whole micro-units."""
    return round(float(bid["price"]) / 2, 3)


def connections(server: Served) -> list[Client]:
    return [server.client() for _ in range(MANY)]


def metrics(server: Served) -> dict[str, float]:
    with server.administrator() as admin:
        lines = [line.rpartition(" ") for line in admin.send("GET", "/metrics")[1].splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


def all_run(server: Served) -> bool:
    """Whether every worker serves again."""
    try:
        return metrics(server)["bidpilot_workers"] == WORKERS
    except OSError:
        return False


def money(server: Served) -> dict[str, float]:
    with server.administrator() as admin:
        found: dict[str, float] = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]
    return found


def all_known(found: dict[str, float]) -> bool:
    """Whether the workers know each micro-unit that the account holds for them."""
    return found["promised"] == 0 and found["free"] == pytest.approx(found["held"], abs=1e-9)


def ledger(state: Path) -> tuple[dict[str, int], tuple[int, int, int, int]]:
    """What was booked by bid, and budget, settled, held and debt."""
    db = sqlite3.connect(state / "ledger.sqlite")
    booked = dict(db.execute("SELECT key, amount FROM notices"))
    ((budget, settled, debt),) = db.execute("SELECT budget, settled, debt FROM accounts")
    ((held,),) = db.execute("SELECT COALESCE(SUM(held), 0) FROM leases")
    db.close()
    return booked, (budget, settled, held, debt)


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(bundle_folder, tmp_path_factory.mktemp("workers"), *ALL) as made:
        yield made


def test_bids_and_bills_go_through_any_worker_and_all_adds_up(server: Served) -> None:
    """Each bid is billed on another connection than it came by, and twice."""
    before, clients = metrics(server), connections(server)
    bids, asked = [], 0
    for client in clients:
        while True:  # until a worker's lease has grown with its bids
            asked += 1
            if (response := client.bid()[1]) is not None:
                break
            time.sleep(0.02)
        bids.append(only_bid(response))
    assert len({bid["id"][:8] for bid in bids}) == WORKERS  # a process's own
    for turn in (1, 2):
        for k, bid in enumerate(bids):
            assert clients[(k + turn) % MANY].notice(bid["burl"], half(bid)) == 204
        # whoever made the bids has heard that they were billed
        assert soon(lambda: all_known(money(server)), 2.0)
    after, found = metrics(server), money(server)
    paid = sum(round(half(bid) * 1000) for bid in bids) / MICRO
    assert found["settled"] == pytest.approx(paid, abs=1e-9)
    more = {name: after[name] - before.get(name, 0.0) for name in after}
    assert more["bidpilot_auctions_total"] == more["bidpilot_bid_seconds_count"] == asked
    assert more["bidpilot_bids_total"] == MANY
    assert (
        more['bidpilot_notices_total{result="settled"}'] == more['bidpilot_notices_total{result="duplicate"}'] == MANY
    )
    assert after['bidpilot_money{campaign="default",part="settled"}'] == pytest.approx(paid, abs=1e-9)
    assert after['bidpilot_money{campaign="default",part="budget"}'] == 40.0
    assert after["bidpilot_workers"] == WORKERS
    for client in clients:
        client.close()


def test_the_kill_switch_reaches_every_worker(server: Served) -> None:
    clients = connections(server)
    for order, status in (("kill", 204), ("revive", 200)):
        with server.administrator() as admin:
            assert admin.send("POST", f"/admin/{order}")[0] == 200
        assert soon(lambda status=status: {client.bid()[0] for client in clients} == {status}, 2.0)  # type: ignore[misc]
        assert metrics(server)["bidpilot_killed"] == (order == "kill")
    for client in clients:
        client.close()


def test_another_bundle_and_other_rates_come_to_every_worker_and_to_those_that_start_later(
    bundle_folder: Path, tmp_path: Path
) -> None:
    other = write_controller_bundle(tmp_path / "other", "pid")
    digest = load_bundle(other).digest
    with Served(bundle_folder, tmp_path / "state", *ALL) as server, server.administrator() as admin:
        status, found = admin.send("POST", "/admin/bundle", {"path": str(tmp_path / "nothing")})
        assert (status, "nothing" in found["error"]) == (400, True)
        status, found = admin.send("POST", "/admin/bundle", {"path": str(other)})
        assert (status, found["digest"], found["workers"], found["of"]) == (202, digest, WORKERS, WORKERS)
        status, found = admin.send("POST", "/admin/predictor", {"path": str(tmp_path / "nothing")})
        assert (status, "nothing" in found["error"]) == (400, True)
        rates = written(tmp_path / "rates.json")
        status, found = admin.send("POST", "/admin/predictor", {"path": str(rates)})
        assert (status, found["rates"]["wins"], found["workers"]) == (200, 100, WORKERS)
        before = workers(server)
        os.kill(before[-1], signal.SIGKILL)
        assert soon(lambda: all_run(server) and set(workers(server)) != set(before))
        for _ in range(8):
            with server.administrator() as one:
                assert one.send("GET", "/admin/predictor")[1]["rates"]["path"] == str(rates)
        coming = f'bidpilot_bundle_info{{digest="{digest}"'
        # the one that started again plays it at once, the other when its slot ends
        assert soon(lambda: any(name.startswith(coming) for name in metrics(server)))


def test_readiness_is_each_workers_own(server: Served) -> None:
    clients = connections(server)
    assert {client.send("GET", "/ready")[0] for client in clients} == {200}
    for client in clients:
        client.close()


def test_while_the_ledger_does_not_answer_bids_go_on_and_bills_come_again(server: Served) -> None:
    clients = connections(server)
    bids = [only_bid(client.bid()[1]) for client in clients[:2]]
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert clients[0].notice(bids[0]["burl"], 1.0) == 503
        assert clients[1].bid()[0] == 200
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert soon(lambda: clients[0].notice(bids[0]["burl"], 1.0) == 204)
    for client in clients:
        client.close()


def test_workers_that_are_killed_lose_no_money_and_come_again(bundle_folder: Path, tmp_path: Path) -> None:
    """Wins, bills, losses and budgets through any worker, while one after the other is killed."""
    with Served(bundle_folder, tmp_path, *ALL) as server:
        load, operator = start_load([server] * 3, threads=4), Operator([server])  # three connections each
        operator.start()
        for turn in range(KILLS):
            time.sleep(0.4)
            before = workers(server)
            os.kill(before[turn % WORKERS], signal.SIGKILL)
            # one that is killed again and again is started again later each time
            assert soon(lambda before=before: len(set(workers(server)) - set(before)) == 1, 60.0)  # type: ignore[misc]
        assert soon(lambda: all_run(server))
        time.sleep(0.4)
        operator.finish()
        use_up(load)
        for exchange in load:
            exchange.finish()
        assert metrics(server)['bidpilot_guardrail_events_total{cause="worker_ended"}'] == KILLS
        server.kill()
    check(read_sqlite(tmp_path / "ledger.sqlite"), load)
    assert operator.changes > KILLS


def test_a_worker_that_hangs_is_killed_and_started_again(bundle_folder: Path, tmp_path: Path) -> None:
    with Served(bundle_folder, tmp_path, *ALL, "--worker-silence", "1") as server:
        before = workers(server)
        os.kill(before[0], signal.SIGSTOP)
        assert soon(lambda: len(set(workers(server)) - set(before)) == 1)
        assert soon(lambda: all_run(server))
        assert metrics(server)['bidpilot_guardrail_events_total{cause="worker_silent"}'] == 1
        assert before[1] in workers(server)


def test_workers_end_with_a_supervisor_that_is_killed_and_what_was_acknowledged_is_there(
    bundle_folder: Path, tmp_path: Path
) -> None:
    server = Served(bundle_folder, tmp_path, *ALL)
    with server.client() as client:
        bid = only_bid(client.bid()[1])
        later = only_bid(client.bid()[1])
        assert client.notice(bid["burl"], 1.0) == 204
        left = workers(server)
        port = server.bids.port
        server.kill()
        with suppress(OSError, http.client.HTTPException):  # it may have ended before it could answer
            assert client.notice(later["burl"], 1.0) == 503
    assert soon(lambda: not any(runs(pid) for pid in left), 5.0)
    booked, (_, settled, _, debt) = ledger(tmp_path)
    assert booked == {bid["id"]: 1000}
    assert (settled, debt) == (1000, 0)
    server.command[server.command.index("--port") + 1] = str(port)
    server.start()  # the port is free again
    with server.client() as client:
        assert client.notice(later["burl"], 1.0) == 204
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_and_gives_the_money_back(bundle_folder: Path, tmp_path: Path, number: int) -> None:
    server = Served(bundle_folder, tmp_path, *ALL)
    with server.client() as client:
        bid = only_bid(client.bid(imp(exposure=0.05, interaction=0.02, conversion=0.0002))[1])
    all_ = workers(server)
    assert len(all_) == WORKERS
    server.process.send_signal(number)
    assert server.process.wait(20) == 0
    assert not any(runs(pid) for pid in all_)
    assert ledger(tmp_path)[1] == (40 * MICRO, 0, round(bid["price"] * 1000), 0)
    assert "Traceback" not in server.text()


def test_what_cannot_be_served_is_one_named_error(bundle_folder: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = {"bundle": bundle_folder, "state": tmp_path, "workers": 2, "port": 0, "admin_port": 0}
    with pytest.raises(InvalidServing, match="--workers 1 with --clock manual"):
        run(ServeConfig(**config, clock="manual"))
    with pytest.raises(InvalidServing, match="cannot be loaded"):  # met by the first worker, told by the supervisor
        run(ServeConfig(**config, predictor="nowhere:nothing"))
    with Served(bundle_folder, tmp_path / "other") as other, pytest.raises(InvalidServing, match="cannot listen"):
        run(ServeConfig(**config | {"port": other.bids.port}))
