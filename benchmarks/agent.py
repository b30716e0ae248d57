"""What watching a node takes: one agent at 1 Hz over 8 ranks with 4 worker processes each, 40 real processes.

Peers, over the same processes in the same minutes: mlflow's system metrics monitor at its fastest (one sample a second; it sees the
machine only, no process), and psutil asked for what our agent tells of the 40 processes.
mlflow is installed into a virtual environment of its own outside the repository ($AICCI_BENCH_PEERS, else ~/.cache/aicci-bench);
where that cannot be done the benchmark says so and goes on without it.
On a machine under pressure the agent samples ten times a second for a moment: `samples_per_s` says how often it did.
CPU time is what the kernel counts in nanoseconds for all threads of a process (schedstat).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common import own_house, report, rss_bytes, until

RANKS, WORKERS = 8, 4
YOUNG_S, STEADY_S = 30.0, 90.0  # an agent looks at every sample for new processes while its ranks are young
MLFLOW = "mlflow-skinny>=3,<4"

# A rank and its workers: a little work, a little memory, a line of log now and then.
TREE = f"""\
import multiprocessing, time

def work(place):
    kept = bytearray(8 << 20)
    while True:
        sum(range(2000))
        time.sleep(0.5)

fork = multiprocessing.get_context("fork")
workers = [fork.Process(target=work, args=(place,), daemon=True) for place in range({WORKERS})]
for worker in workers:
    worker.start()
print("ready", flush=True)
work(-1)
"""
MONITOR = """\
import sys, time
import mlflow
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

mlflow.set_tracking_uri(sys.argv[1])
run = mlflow.start_run()
monitor = SystemMetricsMonitor(run.info.run_id, sampling_interval=1, samples_before_logging=1)
monitor.start()
print("ready", flush=True)
time.sleep(3600)
"""
PSUTIL = """\
import json, sys, time
import psutil

ranks = [psutil.Process(int(pid)) for pid in sys.argv[2:]]
print("ready", flush=True)
with open(sys.argv[1], "a") as out:
    while True:
        told = {}
        for rank in ranks:
            for process in [rank, *rank.children(recursive=True)]:
                with process.oneshot():
                    used = process.cpu_times(), process.memory_info(), process.num_threads(), process.io_counters()
                    told[process.pid] = (*used, process.status())
        told["node"] = (psutil.cpu_times(), psutil.virtual_memory(), psutil.net_io_counters(), psutil.disk_io_counters())
        print(json.dumps(told), file=out, flush=True)
        time.sleep(1)
"""


def main() -> None:
    os.environ["AICCI_LOCAL_CPUS"] = str(RANKS)  # ranks share the CPUs that there are
    with own_house() as root:
        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        client = Client()
        spec = parse_spec({"shape": f"cpux{RANKS}", "ranks_per_node": RANKS, "framework": "plain", "grace": 0.2})
        run = client.submit(spec, Program(text=TREE))
        until("all ranks ready", lambda: all("ready" in run.logs(rank) for rank in range(RANKS)))
        folder = client.home.node_dir(run.id, 1, 0)
        pids = [_claim(folder / f"rank-{rank}.claim") for rank in range(RANKS)]
        with _peers(root, pids) as watched:
            watched["agent"] = _claim(folder / "agent.claim")
            young = _shares(watched, YOUNG_S)
            before = len(_samples(folder))
            steady = _shares(watched, STEADY_S)
            per_s = (len(_samples(folder)) - before) / STEADY_S
            rss = {name: rss_bytes(pid) for name, pid in watched.items()}
        samples = _samples(folder)
        run.stop()
        run.wait(60)
    figures: dict[str, Any] = {
        "ranks": RANKS,
        "processes": _processes(samples),
        "samples_per_s": round(per_s, 2),
        "seconds": STEADY_S,
    }
    for name in watched:
        figures[f"{name}_cpu_ratio"] = round(steady[name], 6)
        figures[f"{name}_cpu_young_ratio"] = round(young[name], 6)
        figures[f"{name}_rss_mb"] = round(rss[name] / 1e6, 1)
    figures["agent_cpu_a_sample_ms"] = round(1000 * steady["agent"] / per_s, 3)
    report("agent", figures)


@contextmanager
def _peers(root: Path, pids: list[int]) -> Iterator[dict[str, int]]:
    """The peers' processes by name, watching these ranks; they end with the block."""
    commands = {"psutil": [sys.executable, "-c", PSUTIL, str(root / "psutil.jsonl"), *map(str, pids)]}
    python = _peer_python()
    if python:
        commands["mlflow"] = [
            python,
            "-c",
            MONITOR,
            f"sqlite:///{root}/mlflow.db" if _has(python, "sqlalchemy") else f"file:{root}/mlflow",
        ]
    env = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"}
    started = {}
    for name, command in commands.items():
        with (root / f"{name}.log").open("w") as log:
            started[name] = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        for name, process in started.items():
            log = root / f"{name}.log"
            until(
                f"{name} ready",
                lambda process=process, log=log: process.poll() is not None or "ready" in log.read_text(),
            )
            if process.poll() is not None:
                print(
                    f"  {name} did not start and is left out: {(log.read_text().splitlines() or ['it said nothing'])[-1]}"
                )
        yield {name: process.pid for name, process in started.items() if process.poll() is None}
    finally:
        for process in started.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def _peer_python() -> str:
    """The interpreter that has mlflow; "" where it cannot be installed."""
    if _has(sys.executable, "mlflow"):
        return sys.executable
    folder = Path(os.environ.get("AICCI_BENCH_PEERS") or Path.home() / ".cache" / "aicci-bench") / "mlflow"
    python = folder / "bin" / "python"
    if not _has(str(python), "mlflow"):
        print(f"  installing {MLFLOW} into {folder}")
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            pip = [python, "-m", "pip", "install", "-q", MLFLOW, "psutil"]
            subprocess.run(pip, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"  mlflow is left out: it cannot be installed here ({error})")
            return ""
    return str(python)


def _has(python: str, module: str) -> bool:
    with suppress(OSError):
        return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
    return False


def _claim(path: Path) -> int:
    return int(json.loads(path.read_text())["pid"])


def _shares(pids: dict[str, int], seconds: float) -> dict[str, float]:
    """The share of a core that each process takes in the next seconds."""
    began_s, before = time.monotonic(), {name: _cpu_ns(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    passed_ns = (time.monotonic() - began_s) * 1e9
    return {name: (_cpu_ns(pid) - before[name]) / passed_ns for name, pid in pids.items()}


def _cpu_ns(pid: int) -> int:
    """ns on a CPU of all threads that live; one that ends while it is read counts no more than one that has ended."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns


def _samples(folder: Path) -> list[dict[str, Any]]:
    from jupyter_aicci.agent.frames import read_spool

    found: list[dict[str, Any]] = []
    offset, going_on = 0, True
    while going_on:
        records, offset = read_spool(str(folder / "agent.spool"), offset)
        found += [frame for _, frame in records if frame["k"] == "sample"]
        going_on = bool(records)
    return found


def _processes(samples: list[dict[str, Any]]) -> int:
    """How many processes the last sample tells of."""
    return sum(1 + int(metrics["workers"]) for metrics in samples[-1]["ranks"].values())


if __name__ == "__main__":
    main()
