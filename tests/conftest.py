"""Fixtures of every test: a home and a runtime directory of its own, and no process left behind.

Rule 1: no test touches the person's own journal, and none sees what runs beside it; `AICCI_HOME`, `AICCI_RUNTIME` and
`AICCI_BOARD` always lie in the test's `tmp_path`.
Rule 2: a test ends what it started. What still lives afterwards is killed and fails the test; only idle zygotes, which
outlive a service by design, are ended here without a word.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is no failure, and the suite that lets a change in gives the same answer twice;
# new examples are sought with `pytest --hypothesis-profile=explore`.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False, max_examples=1000)
settings.load_profile("house")
# A shell that starts the suite in the background has it ignore Ctrl-C, and with it all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
LEAVE_S = 10.0  # a service that was told to stop, and agents whose work is done, need a moment
LATER = ("storm", "browser")  # markers whose tests only make sense after everything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A process that carries a test's directory in its environment."""

    pid: int
    command: str

    @property
    def is_zygote(self) -> bool:
        return "zygote" in self.command


def processes_of(directory: Path) -> tuple[Left, ...]:
    """The living processes whose environment names `directory`."""
    needle, found = str(directory).encode() + b"/", []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environ = Path("/proc", entry, "environ").read_bytes()
            if needle in environ:
                command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(Left(pid=int(entry), command=command.strip()))
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return tuple(found)


def _kill(processes: tuple[Left, ...]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def aicci_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's own `AICCI_HOME`; fails the test when one of its processes is still alive at the end."""
    home, runtime = tmp_path / "aicci-home", tmp_path / "aicci-runtime"
    monkeypatch.setenv("AICCI_HOME", str(home))
    monkeypatch.setenv("AICCI_RUNTIME", str(runtime))
    monkeypatch.setenv("AICCI_BOARD", str(tmp_path / "aicci-board"))
    yield home
    deadline = time.monotonic() + LEAVE_S
    while True:
        left = processes_of(tmp_path)
        _kill(tuple(process for process in left if process.is_zygote))
        left = tuple(process for process in left if not process.is_zygote)
        if not left:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    _kill(left)
    names = "; ".join(f"{process.pid} {process.command[:160]}" for process in left)
    pytest.fail(f"{len(left)} processes of this test were still alive {LEAVE_S:.0f} s after it: {names}")


@pytest.fixture
def aicci_runtime(aicci_home: Path) -> Path:
    """The test's own `AICCI_RUNTIME`."""
    return aicci_home.parent / "aicci-runtime"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout that the tests belong to."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the installed Chromium; the browser tests are skipped only where a person has none."""
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CI"):
        pytest.fail("no Chromium on this machine; `./tools/dev setup` installs one")
    pytest.skip("no Chromium on this machine; `./tools/dev setup` installs one")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, the storm and the browser last, so that a plain mistake shows within seconds."""
    items.sort(key=lambda item: next((1 + i for i, mark in enumerate(LATER) if item.get_closest_marker(mark)), 0))
