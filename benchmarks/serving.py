"""The bid server: bids per second in process and over HTTP, beside MLflow's model server with the same policy.

Over HTTP a real load generator asks: wrk for the most requests a second, hey for the latency at half of that.
Everything runs on this machine, one process each, one measurement after the other.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.bundle import load_bundle
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.messages import decode_request, encode
from bidpilot.serving.server import applications
from bidpilot.training.export.onnx_file import OnnxPolicy
from bidpilot.training.export.registry import Told, register
from bidpilot.training.export.write import write_bundle
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import RunInfo, open_run

TOKEN = "benchmark"
BUDGET = 1e7  # currency: never used up
SECONDS, CONNECTIONS, WORKERS = 8, 32, 8
TURNS, TURN_SECONDS, MOST_BY_TWO = 10, 2, 1.10
IMP = {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": "feed/head"}
REQUEST = {
    "id": "8a6d5b4c-1f1e-4b57-9c3e-5f0a1f5f7f6b",
    "at": 2,
    "tmax": 120,
    "cur": ["USD"],
    "imp": [{"id": "1", "bidfloor": 0.5, "video": {"mimes": ["video/mp4"], "w": 720, "h": 1280, "minduration": 5,
             "maxduration": 60, "protocols": [2, 3, 7]}, "ext": {"bidpilot": IMP}}],
    "app": {"id": "app-1", "bundle": "com.example.video", "publisher": {"id": "pub-42"}, "cat": ["IAB1"]},
    "device": {"ua": "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36", "ip": "203.0.113.9", "os": "Android",
               "geo": {"country": "DEU", "city": "Berlin"}, "ifa": "00000000-0000-0000-0000-000000000000"},
    "user": {"id": "u-1", "data": [{"id": "d", "segment": [{"id": str(k)} for k in range(12)]}]},
    "source": {"tid": "t-1"}, "regs": {"ext": {"gdpr": 1}},
}  # fmt: skip
BODY = json.dumps(REQUEST)
BIDS_LUA = """
wrk.method = "POST"
wrk.body = [==[%s]==]
wrk.headers["Content-Type"] = "application/json"
"""
# every bid that comes back is billed by the connection's next request
MIX_LUA = """
local body = [==[%s]==]
local bills = {}
local headers = {["Content-Type"] = "application/json"}
request = function()
  local bill = table.remove(bills)
  if bill then return wrk.format("GET", bill) end
  return wrk.format("POST", "/openrtb2/bid", headers, body)
end
response = function(status, _, text)
  local path = text and string.match(text, '"burl":"http://[^/]+(/notice/bill%%?t=[^&]+)')
  if path then bills[#bills + 1] = path .. "&p=1.5&m=1.5" end
end
"""


def report(name: str, value: float, unit: str, baseline: float, **more: Any) -> None:
    """Print one measurement."""
    line = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": value / baseline}
    print(json.dumps(line | more), flush=True)


def make_bundle(folder: Path) -> Path:
    """The bundle of a fresh policy of the default size: untrained weights compute as fast as trained ones."""
    setting = training_setting("daily", None, 0)
    env = BiddingVecEnv(BiddingVectorEnv(2, setting.market, setting.forecast, setting.campaign))
    learner, config = LEARNERS[DEFAULT].load(), LEARNERS[DEFAULT].config.model_copy(update={"batch_size": 32})
    policy = trained_policy(learner, learner.make(config, env, 0), env)
    files = folder / "policy"
    files.mkdir()
    policy.save(files / "policy.npz")
    setting.forecast.save(files / "forecast.npz")
    described = {"campaign": setting.campaign.model_dump(mode="json"), "setting": "daily", "log": None}
    (files / "policy.json").write_text(json.dumps(described | {"log_digest": None, "market_digest": ""}))
    run = RunInfo("benchmark", "benchmark", "0", "FINISHED", {}, {}, {}, 0, 0)
    write_bundle(folder / "bundle", files, run, DEFAULT, "benchmark")
    return folder / "bundle"


def policy_microseconds(bundle: Path) -> None:
    """One decision of the network in NumPy, beside onnxruntime with its session kept."""
    loaded = load_bundle(bundle)
    agent = agent_of(loaded)
    state = agent.start(1)
    row = loaded.golden.observations[:1]
    observation = loaded.observation(row)
    session = OnnxPolicy(bundle / "policy.onnx").session

    def best(call: Any) -> float:
        rounds = []
        for _ in range(5):
            begin = time.perf_counter()
            for _ in range(1000):
                call()
            rounds.append(time.perf_counter() - begin)
        return min(rounds) * 1000

    theirs = best(lambda: session.run(None, {"observation": row}))
    report("policy_decision", best(lambda: agent.act(observation, state)), "us", theirs)


def rich(bidder: Bidder) -> None:
    """Let money be no limit, without planning anew for it."""
    served = bidder.served["default"]
    campaign = served.campaign.model_copy(update={"budget": BUDGET})
    bidder.put(served.model_copy(update={"campaign": campaign}))
    bidder.tick()


def in_process(bundle: Path, state: Path) -> None:
    """Bids per second and core: the rule alone, and from a request's bytes to a response's, each reserved."""
    guard = GuardrailConfig(slot_share=1.0)
    config = ServeConfig(bundle=bundle, state=state, guardrails=guard, bid_expiry=1.0, grace=1.0)
    with open_bidder(config) as bidder:
        rich(bidder)
        exchange, _ = applications(bidder, config, "http://127.0.0.1:8080")
        opportunity = Opportunity((0.6, 0.25, 0.006), 0, 42, 0.0005)
        body = BODY.encode()

        def bid() -> None:
            assert isinstance(bidder.bid(opportunity), Bid)

        def answer() -> None:
            response = exchange.respond(decode_request(body))
            assert response is not None
            assert encode(response)

        rates = {}
        gc.collect()
        gc.freeze()  # as the server does; and this process holds the training libraries too
        for name, call in (("in_process_bids", bid), ("in_process_requests", answer)):
            for _ in range(2000):
                call()
            times = np.empty(40_000)
            begin = time.process_time()
            for k in range(len(times)):
                at = time.perf_counter_ns()
                call()
                times[k] = time.perf_counter_ns() - at
                if k % 5000 == 0:
                    bidder.tick()
            rates[name] = len(times) / (time.process_time() - begin)
            p50, p99, worst = np.quantile(times / 1000, [0.5, 0.99, 1.0])
            report(
                name, rates[name], "per second and core", rates["in_process_bids"], p50_us=p50, p99_us=p99, max_us=worst
            )


@contextmanager
def process(command: list[str], ready: str, log: Path, **environment: str) -> Iterator[int]:
    """A server's process number, from when `ready` answers until the block ends."""
    with log.open("w") as out:
        running = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | environment, start_new_session=True, cwd=log.parent
        )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(ready, timeout=1):
                    break
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        else:
            raise RuntimeError(log.read_text()[-2000:])
        yield running.pid
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(timeout=30)


def wrk(url: str, script: Path, seconds: int = SECONDS, connections: int = CONNECTIONS) -> dict[str, float]:
    """Requests per second, latencies in milliseconds, and answers that were none, of a closed loop."""
    shown = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = {"rate": float(re.findall(r"Requests/sec:\s+([\d.]+)", shown)[0])}
    for quantile, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\n", shown):
        found[f"p{quantile}_ms"] = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    bad = re.findall(r"Non-2xx or 3xx responses: (\d+)", shown)
    errors = re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", shown)
    found["failed"] = float(bad[0] if bad else 0) + sum(float(n) for n in (errors[0] if errors else ()))
    return found


def hey(url: str, body: Path, rate: float) -> dict[str, float]:
    """Latencies in milliseconds at a fixed number of requests per second.

    hey's workers keep time together, so that each beat is a burst of as many requests: few workers, small bursts.
    """
    each = max(rate / WORKERS, 1.0)
    shown = subprocess.run(
        ["hey", "-z", f"{SECONDS}s", "-c", str(WORKERS), "-q", f"{each:.0f}", "-m", "POST",
         "-T", "application/json", "-D", str(body), url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = {"rate": float(re.findall(r"Requests/sec:\s+([\d.]+)", shown)[0])}
    for quantile, seconds in re.findall(r"(50|99)%+ in ([\d.]+) secs", shown):
        found[f"p{quantile}_ms"] = 1000 * float(seconds)
    return found


def admin(port: int, path: str, body: Any) -> Any:
    """Ask the administration."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def http(bundle: Path, folder: Path) -> None:
    """Both servers, one after the other, under the same load."""
    mlflow_rate = model_server(bundle, folder)
    (folder / "bids.lua").write_text(BIDS_LUA % BODY)
    (folder / "mix.lua").write_text(MIX_LUA % BODY)
    (folder / "body.json").write_text(BODY)
    port = 18_470
    command = [
        sys.executable, "-m", "bidpilot", "serve", str(bundle), "--state", str(folder / "state"), "--port", str(port),
        "--admin-port", str(port + 1), "--guardrails.slot-share", "1", "--bid-expiry", "2", "--grace", "2",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with process(command, f"{url}/health", folder / "serve.log", BIDPILOT_ADMIN_TOKEN=TOKEN):
        admin(port + 1, "/admin/campaigns/default/budget", {"budget": BUDGET})
        time.sleep(0.5)
        wrk(f"{url}/openrtb2/bid", folder / "bids.lua")  # warm
        full = wrk(f"{url}/openrtb2/bid", folder / "bids.lua")
        report("http_throughput", full["rate"], "requests/s", mlflow_rate, **_rest(full))
        if shutil.which("hey"):
            half = hey(f"{url}/openrtb2/bid", folder / "body.json", full["rate"] / 2)
            report("http_p99_at_half", half["p99_ms"], "ms", 10.0, **_rest(half) | {"rate": half["rate"]})
        mix = wrk(f"{url}/openrtb2/bid", folder / "mix.lua")
        money = admin(port + 1, "/admin/explain", REQUEST) and _settled(port + 1)
        report("http_with_bills", mix["rate"], "requests/s", 3000.0, **_rest(mix), settled=money)


def several_workers(bundle: Path, folder: Path) -> None:
    """CPU time of a request by two workers, and by two servers that share nothing, beside one, in turns.

    On two cores the load generator bounds the rate. Any two processes need more under the same load, as each has
    smaller batches: what workers need beyond two servers is what they share.
    """
    cases = {"one": (0, 0), "workers": (1, 1), "servers": (2, 3)}  # a server for each of two load generators
    with ExitStack() as running:
        servers = [_server(bundle, folder, k, running) for k in range(4)]
        for name, script in (("two_workers", "bids.lua"), ("two_workers_with_bills", "mix.lua")):
            each: dict[str, list[float]] = {case: [] for case in cases}
            for turn in range(TURNS + 1):
                for case in sorted(cases, reverse=bool(turn % 2)):
                    each[case].append(_spent([servers[k] for k in cases[case]], folder / script))
            one, two, apart = (np.array(each[case][1:]) for case in ("one", "workers", "servers"))  # the first is warm
            report(
                name, float(np.median(two / one)), "CPU time of a request by two workers, of that by one", MOST_BY_TWO,
                two_servers=float(np.median(apart / one)), of_two_servers=float(np.median(two / apart)),
                us_by_one=float(np.median(one)),
            )  # fmt: skip


def _server(bundle: Path, folder: Path, number: int, running: ExitStack) -> tuple[int, int]:
    """The port and the process of a server, with two workers where it is number 1."""
    port = 18_480 + 2 * number
    command = [
        sys.executable, "-m", "bidpilot", "serve", str(bundle), "--state", str(folder / f"share-{number}"),
        "--port", str(port), "--admin-port", str(port + 1), "--workers", "2" if number == 1 else "1",
        "--budget", str(BUDGET), "--guardrails.slot-share", "1", "--bid-expiry", "2", "--grace", "2",
    ]  # fmt: skip
    log = folder / f"share-{number}.log"
    return port, running.enter_context(process(command, f"http://127.0.0.1:{port}/health", log))


def _spent(servers: list[tuple[int, int]], script: Path) -> float:
    """Microseconds of CPU time that servers spend on a request, each asked over half of the connections."""
    pids = {pid for _, pid in servers}
    before = sum(map(_cpu, pids))
    with ThreadPoolExecutor() as pool:
        urls = [f"http://127.0.0.1:{port}/openrtb2/bid" for port, _ in servers]
        rate = sum(f["rate"] for f in pool.map(lambda url: wrk(url, script, TURN_SECONDS, CONNECTIONS // 2), urls))
    return 1e6 * (sum(map(_cpu, pids)) - before) / (rate * TURN_SECONDS)


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for one in (str(pid), *children):
        times = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(times[11]) + int(times[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rest(found: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in found.items() if k != "rate"}


def _settled(port: int) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/admin/campaigns", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return float(json.load(answer)["default"]["money"]["settled"])


def model_server(bundle: Path, folder: Path) -> float:
    """Requests per second of `mlflow models serve` with the same policy, registered from the same bundle."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    loaded = load_bundle(bundle)
    with open_run("benchmark", kind="export") as run:
        version = register(run, bundle, loaded, "benchmark", Told("a policy to serve", {}))
    inputs = json.dumps({"inputs": loaded.golden.observations[:1].astype(float).round(4).tolist()})
    (folder / "invoke.lua").write_text(BIDS_LUA % inputs)
    port = 18_460
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/benchmark/{version.version}",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    # mlflow starts uvicorn by its bare name, which an environment that is not activated does not offer
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with process(command, f"http://127.0.0.1:{port}/ping", folder / "mlflow.log", PATH=path):
        wrk(f"http://127.0.0.1:{port}/invocations", folder / "invoke.lua")  # warm
        found = wrk(f"http://127.0.0.1:{port}/invocations", folder / "invoke.lua")
    report("model_server", found["rate"], "requests/s", found["rate"], **_rest(found))
    return found["rate"]


def main() -> None:
    """Print one JSON line per measurement."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        bundle = make_bundle(folder)
        policy_microseconds(bundle)
        in_process(bundle, folder / "in-process")
        if shutil.which("wrk") is None:
            print(json.dumps({"name": "http_throughput", "skipped": "wrk is not installed (apt-get install wrk hey)"}))
            return
        http(bundle, folder)
        several_workers(bundle, folder)


if __name__ == "__main__":
    main()
