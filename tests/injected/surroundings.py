"""What surrounds the service of an injected run: a CPU quota, a slow disk, a small /dev/shm; made of the kernel's own means.

Each is a context manager that starts a service inside; where this machine does not allow it, the test is skipped with the
reason. Everything is undone when the service has ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

QUOTA_CORES = 0.25
DISK_BYTES_PER_S = 6_000_000
SHM_BYTES = 64_000_000
CGROUP = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def surrounded(within: str, scratch: Path) -> Iterator[None]:
    """Start the service of the environment's home inside `within`; "" = as it comes."""
    match within:
        case "":
            yield
        case "cpu quota":
            with _group("cpu", _quota()) as group:
                _start(f"echo $$ > {group}/cgroup.procs")
                yield
        case "slow disk":
            (scratch / "data.bin").write_bytes(os.urandom(64 << 20))
            os.sync()
            with _group("blkio", _throttle(scratch)) as group:
                _start(f"echo $$ > {group}/cgroup.procs")
                yield
        case "small shm":
            if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
                pytest.skip("no mount namespace can be made here, so /dev/shm cannot be made small")
            _start(f"mount -t tmpfs -o size={SHM_BYTES} tmpfs /dev/shm", before=("unshare", "-m"))
            yield
        case _:
            raise AssertionError(within)


def _start(first: str, before: tuple[str, ...] = ()) -> None:
    """The service, as the client would start it, after a line of shell."""
    script = f'{first} && exec "$0" -m jupyter_aicci.service'
    done = subprocess.run([*before, "sh", "-c", script, sys.executable], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the service cannot be started inside: {done.stderr.strip()[-300:]}")


def _quota() -> dict[str, str]:
    period_us = 100_000
    if (CGROUP / "cgroup.controllers").exists():
        return {"cpu.max": f"{round(QUOTA_CORES * period_us)} {period_us}"}
    return {"cpu.cfs_period_us": str(period_us), "cpu.cfs_quota_us": str(round(QUOTA_CORES * period_us))}


def _throttle(scratch: Path) -> dict[str, str]:
    device = os.stat(scratch).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    if (CGROUP / "cgroup.controllers").exists():
        return {"io.max": f"{number} rbps={DISK_BYTES_PER_S}"}
    return {"blkio.throttle.read_bps_device": f"{number} {DISK_BYTES_PER_S}"}


@contextlib.contextmanager
def _group(controller: str, settings: dict[str, str]) -> Iterator[Path]:
    """A control group with these settings, of either version."""
    unified = (CGROUP / "cgroup.controllers").exists()
    path = (CGROUP if unified else CGROUP / controller) / f"aicci-injected-{os.getpid()}"
    try:
        path.mkdir()
        for name, value in settings.items():
            (path / name).write_text(value)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.rmdir()
        pytest.skip(f"no control group for {controller} can be made here: {error}")
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """The zygotes that are left move up, then the group goes."""
    deadline_s = time.monotonic() + 20.0
    while True:
        with contextlib.suppress(OSError):
            for pid in (path / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (path.parent / "cgroup.procs").write_text(pid)
        try:
            path.rmdir()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
            continue
        return
