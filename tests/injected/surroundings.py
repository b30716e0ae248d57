"""What surrounds an injected run: a CPU quota, a slow disk, a small /dev/shm; made of the kernel's own means.

Each is a context manager that gives the words before a command which runs it inside; where this machine does not allow it,
`Unavailable` says why. Everything is undone at the end, when what ran inside has ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

QUOTA_CORES = 0.5
DISK_BYTES_PER_S = 6_000_000
SHM_BYTES = 64_000_000
CGROUP = Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """This machine does not allow such surroundings."""


@contextlib.contextmanager
def surrounded(within: str, scratch: Path) -> Iterator[tuple[str, ...]]:
    """The words that start a command inside `within`; () = as it comes."""
    match within:
        case "":
            yield ()
        case "cpu quota":
            with _group("cpu", _quota()) as group:
                yield _after(f"echo $$ > {group}/cgroup.procs")
        case "slow disk":
            (scratch / "data.bin").write_bytes(os.urandom(64 << 20))
            os.sync()
            with _group("blkio", _throttle(scratch)) as group:
                yield _after(f"echo $$ > {group}/cgroup.procs")
        case "small shm":
            if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
                raise Unavailable("no mount namespace can be made here, so /dev/shm cannot be made small")
            yield ("unshare", "-m", *_after(f"mount -t tmpfs -o size={SHM_BYTES} tmpfs /dev/shm"))
        case _:
            raise AssertionError(within)


def _after(first: str) -> tuple[str, ...]:
    """What runs a command after a line of shell."""
    return ("sh", "-c", f'{first} && exec "$@"', "sh")


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
    path = (CGROUP if unified else CGROUP / controller) / f"aicci-injected-{os.getpid()}-{controller}"
    try:
        path.mkdir()
        for name, value in settings.items():
            (path / name).write_text(value)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.rmdir()
        raise Unavailable(f"no control group for {controller} can be made here: {error}") from None
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
