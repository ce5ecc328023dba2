"""The UI command, without starting MLflow's server (ten seconds) more than its parts need."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bidpilot.bidding.errors import TrackingError
from bidpilot.training.tracking import Store, ui
from bidpilot.training.tracking.config import UiConfig
from bidpilot.training.tracking.page import plain_page


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stand_in(port: int) -> list[str]:
    """A server that answers everything and says so on its own."""
    code = (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n"
    )
    return [sys.executable, "-c", code]


def test_a_taken_port_is_a_named_error_before_any_start(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "current_store", lambda: store)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=f"port {port} .* choose another with --port"):
            ui.run(UiConfig(port=port))


def test_a_named_server_is_not_started_but_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ui, "current_store", lambda: Store(uri="http://mlflow.example.org/"))
    monkeypatch.setattr(ui, "save_view", lambda store, experiment: "7")
    ui.run(UiConfig())
    shown = capsys.readouterr().out
    assert shown.startswith("MLflow UI: http://mlflow.example.org/#/experiments/7/runs?workflowType=machine_learning")


def test_ctrl_c_stops_the_server_and_the_address_was_printed(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setattr(ui, "current_store", lambda: store)
    monkeypatch.setattr(ui, "server_command", lambda store, config: stand_in(port))
    wait = subprocess.Popen.wait
    calls: list[float | None] = []

    def interrupted_once(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted_once)
    ui.run(UiConfig(port=port))
    shown = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/#/experiments/{store.experiment_id('bidpilot')}/runs" in shown
    with socket.socket() as probe:  # nobody listens any more
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_ends_at_once_is_a_named_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "current_store", lambda: store)
    monkeypatch.setattr(ui, "server_command", lambda store, config: [sys.executable, "-c", "exit('no luck')"])
    with pytest.raises(TrackingError, match="did not start: no luck"):
        ui.run(UiConfig(port=free_port()))


def test_the_server_listens_on_loopback_over_the_local_store(tmp_path: Path) -> None:
    command = ui.server_command(Store.local(tmp_path), UiConfig())
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{tmp_path}/mlflow.db"


def test_where_no_view_can_be_saved_the_page_of_all_runs_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    def refused(*_: object) -> str:
        raise TrackingError("nobody may set tags here")

    monkeypatch.setattr("bidpilot.training.tracking.ui.save_view", refused)
    assert ui.opened_page(store) == plain_page(store.experiment_id("bidpilot"))
    assert "nobody may set tags here" in capsys.readouterr().out
