"""What every benchmark shares: a house of its own, percentiles, and how a result is shown and kept.

Rule 1: a benchmark runs in its own AICCI_HOME and AICCI_RUNTIME and ends everything that it started.
Rule 2: times are CLOCK_BOOTTIME seconds, the one clock that a program, a rank and this process share.
Rule 3: a result is one JSON object: figures with units in their names, and what machine gave them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
FAR_S = 120.0


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def percentile(values: Sequence[float], ratio: float) -> float:
    """The smallest measured value that `ratio` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-round(ratio * 1000) * len(ordered) // 1000) - 1))]


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum, by names that end in the unit."""
    return {
        f"{name}_p50_s": round(percentile(values, 0.5), 4),
        f"{name}_p95_s": round(percentile(values, 0.95), 4),
        f"{name}_max_s": round(max(values), 4),
    }


def until(what: str, ready: Callable[[], Any], limit_s: float = FAR_S) -> Any:
    """The first true answer of `ready`; raises when none came in time."""
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        answer = ready()
        if answer:
            return answer
        time.sleep(0.002)
    raise SystemExit(f"{what}: not within {limit_s:.0f} s")


def processes_with(word: str) -> list[int]:
    """Living processes (zombies are not) whose environment holds `word`."""
    needle, found = word.encode(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError):
                if needle in Path("/proc", entry, "environ").read_bytes():
                    found.append(int(entry))
    return found


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def own_house() -> Iterator[Path]:
    """A temporary home and runtime in the environment; whatever still carries them at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="aicci-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        os.environ |= {"AICCI_HOME": str(root / "home"), "AICCI_RUNTIME": str(root / "run")}
        try:
            yield root
        finally:
            from jupyter_aicci.client import Client

            Client().shutdown()
            for pid in processes_with(str(root)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def machine() -> dict[str, Any]:
    """What gave the figures."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_kb * 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """Print the figures as a table and as one JSON line; `--save` keeps them in benchmarks/results."""
    width = max(map(len, figures))
    for key, value in figures.items():
        print(f"  {key:<{width}}  {value}")
    document = {"benchmark": name, "date": time.strftime("%Y-%m-%d"), "machine": machine(), "figures": figures}
    print(json.dumps(document, ensure_ascii=False))
    if arguments().save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def arguments() -> argparse.Namespace:
    """`--launches N` and `--save`."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--launches", type=int, default=20, help="how often the thing is done (default 20)")
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results")
    return parser.parse_args()
