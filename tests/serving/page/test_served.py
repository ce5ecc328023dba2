"""The page of real servers: one process that ends with a page open, and workers that tell the money of all."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.serving.served import TOKEN, Served, only_bid


class Stream:
    """GET /admin/stream, read event by event."""

    def __init__(self, server: Served) -> None:
        self._connection = http.client.HTTPConnection(str(server.admin.hostname), int(server.admin.port or 0), 20)
        self._connection.request("GET", "/admin/stream", headers={"Authorization": f"Bearer {TOKEN}"})
        self.response = self._connection.getresponse()

    def event(self) -> tuple[str, Any]:
        """The next one; its kind is empty where the stream is over."""
        kind, data = self.response.readline().decode(), self.response.readline().decode()
        if not kind:
            return "", None
        assert self.response.readline() == b"\n"
        return kind.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def test_a_server_ends_with_pages_open_and_bids_meanwhile(bundle_folder: Path, tmp_path: Path) -> None:
    with Served(bundle_folder, tmp_path / "state") as server, ExitStack() as open_:

        def look() -> Stream:
            made = Stream(server)
            open_.callback(made.close)
            return made

        streams = [look() for _ in range(16)]
        assert [stream.event()[0] for stream in streams] == ["who"] * 16
        assert look().response.status == 503
        assert streams[0].response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert streams[0].event()[0] == "whole"
        with server.client() as client:
            only_bid(client.bid()[1])
        while streams[0].event()[1].get("server", {}).get("bids") != 1:
            pass
        streams.pop().close()
        begun = time.monotonic()
        while look().response.status != 200:  # the one that went makes room within a second
            assert time.monotonic() - begun < 5.0
            time.sleep(0.1)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5.0
        while streams[1].event()[0]:
            pass


def test_a_worker_tells_the_money_of_all_and_its_kill_reaches_all(bundle_folder: Path, tmp_path: Path) -> None:
    options = ("--budget", "40", "--workers", "2")
    with Served(bundle_folder, tmp_path / "state", *options) as server:
        for _ in range(12):  # connections, and so both workers
            with server.client() as client:
                client.bid()
        with server.administrator() as admin:
            status, campaigns = admin.send("GET", "/admin/campaigns")
        assert status == 200
        stream = Stream(server)
        assert stream.event()[0] == "who"
        whole = stream.event()[1]
        assert whole["server"]["workers"]
        money, expected = whole["campaigns"]["default"]["moving"]["money"], campaigns["default"]["money"]
        for part in ("budget", "settled", "held", "promised"):
            assert abs(money[part] - expected[part]) < 1e-6
        for _ in range(8):
            with server.administrator() as admin:
                assert admin.send("GET", "/")[0] == 200
        with server.administrator() as admin:
            assert admin.send("POST", "/admin/kill")[0] in (200, 202)
        deadline = time.monotonic() + 5.0
        while not stream.event()[1].get("server", {}).get("killed"):
            assert time.monotonic() < deadline
        stream.close()
