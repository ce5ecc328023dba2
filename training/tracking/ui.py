"""The `ui` command: MLflow's server over the local store, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO

from bidpilot.bidding.errors import TrackingError
from bidpilot.training.tracking.config import UiConfig
from bidpilot.training.tracking.page import plain_page, runs_page, save_view
from bidpilot.training.tracking.store import Store, current_store

_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_EXPERIMENT = "bidpilot"


def run(config: UiConfig) -> None:
    """Serve the runs until Ctrl-C; prints the address of the experiment's trainings, the best first, once it answers.

    Where `MLFLOW_TRACKING_URI` names a server, that server's address is printed instead.

    Raises:
        TrackingError: where the port is taken or the server does not start.
    """
    store = current_store()
    page = opened_page(store)
    if store.uri.startswith(("http://", "https://")):
        print(f"MLflow UI: {store.uri.rstrip('/')}{page}")
        return
    _check_port(config.host, config.port)
    print("starting the MLflow server, which takes some ten seconds ...", flush=True)
    with _server(server_command(store, config)) as (process, output):
        try:
            address = f"http://{_in_url(config.host)}:{config.port}"
            _wait_until_up(process, output, address)
            print(f"MLflow UI: {address}{page}  (Ctrl-C stops it)", flush=True)
            process.wait()
        except KeyboardInterrupt:
            return
    raise TrackingError(f"the MLflow server ended with status {process.returncode}: {_tail(output)}")


def opened_page(store: Store) -> str:
    """The page of trainings, the best first; on a server that lets nobody save a view, that of all runs."""
    try:
        return runs_page(save_view(store, _EXPERIMENT))
    except TrackingError as error:
        page = plain_page(store.experiment_id(_EXPERIMENT))
        print(f"columns and order of the page are MLflow's own: {error}")
        return page


def server_command(store: Store, config: UiConfig) -> list[str]:
    """The command line of MLflow's server over `store`."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri]
    if store.artifact_location is not None:
        command += ["--default-artifact-root", store.artifact_location]
    return [*command, "--host", config.host, "--port", str(config.port), "--workers", "1"]


def _check_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise TrackingError(
            f"port {port} on {host} cannot be used ({error.strerror or error}): choose another with --port"
        ) from None


@contextmanager
def _server(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run the server in its own process group, which is ended whatever ends this process's block."""
    environment = {
        # Job execution doubles the time to start, and nothing here uses it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **os.environ,
    }
    with tempfile.TemporaryFile() as output, _terminate_as_interrupt():
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            yield process, output
        finally:
            _stop(process)


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that the server is never left behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_up(process: subprocess.Popen[bytes], output: IO[bytes], address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TrackingError(f"the MLflow server did not start: {_tail(output)}; check the store and --port")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(f"the MLflow server did not answer at {address} within {_START_SECONDS:.0f} s: try again")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's whole group: it keeps workers of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


def _in_url(host: str) -> str:
    """The host as a browser on this machine reaches it."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    return f"[{host}]" if ":" in host else host
