"""The thread that reads the accelerators, and what the sampler asks it.

In: the environment of a rank, which names the run's devices. Out: `devices` of a sample, notes about each device.
Rule 1: drivers take seconds to open, and may hang when a device is lost: all of that happens in the thread. Without an accelerator
there is no thread, and nothing of it is imported.
Rule 2: an answer that comes too late is dropped, never told under a later time.
Rule 3: one driver's failure is a note and costs the other drivers nothing.
"""

from __future__ import annotations

import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .driver import Driver, Note, Readings


class Reader:
    """Asks the drivers in a thread. `opens` are called in it, each with a function that takes notes."""

    def __init__(self, opens: list[Callable[[Callable[[Note], None]], Driver | None]]) -> None:
        import threading

        self._opens = opens
        self._asked, self._answered = threading.Event(), threading.Event()
        self._slow = False
        self._readings: Readings = {}
        self._notes: deque[Note] = deque()
        self._asked_once = self._fresh = False  # fresh: the answer that comes is one to the last question
        threading.Thread(target=self._run, name="devices", daemon=True).start()

    def ask(self, *, slow: bool) -> None:
        """Have the devices read. While they are being read still, nothing is asked, and nothing will be answered."""
        self._slow |= slow
        self._fresh = not self._asked_once or self._answered.is_set()
        if self._fresh:
            self._asked_once, self._readings = True, {}
            self._answered.clear()
            self._asked.set()

    def answer(self, wait_s: float) -> Readings:
        """What they say to the last question, {} if they do not within `wait_s`."""
        return self._readings if self._fresh and self._answered.wait(wait_s) else {}

    def notes(self) -> list[Note]:
        """What has been noted since the last call."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def _run(self) -> None:
        drivers = [driver for driver in map(self._open, self._opens) if driver is not None]
        while True:
            self._asked.wait()
            self._asked.clear()
            slow, self._slow = self._slow, False
            readings: Readings = {}
            for driver in list(drivers):
                try:
                    readings |= driver.read(slow=slow)
                except Exception as error:  # a driver's library may raise anything; the run goes on without its numbers
                    drivers.remove(driver)
                    self._notes.append(("agent", f"{type(driver).__name__} is not read any more: {error!r}", {}))
            self._readings = readings
            self._answered.set()

    def _open(self, opens: Callable[[Callable[[Note], None]], Driver | None]) -> Driver | None:
        try:
            return opens(self._notes.append)
        except Exception as error:
            self._notes.append(("agent", f"accelerators cannot be read: {error!r}", {}))
            return None


def find_reader(env: Mapping[str, str], root: str = "") -> Reader | None:
    """A reader of the accelerators that this node has and the run may use, None without any."""
    opens: list[Callable[[Callable[[Note], None]], Driver | None]] = []
    if any(os.path.exists(f"{root}/dev/{name}") for name in ("nvidiactl", "dxg")) and _may(env, "CUDA_VISIBLE_DEVICES"):
        from .nvidia import open_nvidia

        opens.append(lambda note: open_nvidia(env.get("CUDA_VISIBLE_DEVICES"), note))
    if os.path.exists(f"{root}/dev/davinci_manager") and _may(env, *_first(env, "ASCEND_RT_VISIBLE_DEVICES")):
        from .ascend import open_ascend

        opens.append(lambda note: open_ascend(env.get("ASCEND_RT_VISIBLE_DEVICES"), note))
    if os.path.exists(f"{root}/dev/kfd"):
        names = _first(env, "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
        if _may(env, *names):
            from .amd import open_amd

            opens.append(lambda note: open_amd(env.get(names[0]), note))
    return Reader(opens) if opens else None


def _first(env: Mapping[str, str], *names: str) -> tuple[str]:
    """The variable that rules: the first of a maker's own that is there, else CUDA's, which is empty where a run has no device."""
    return (next((name for name in names if name in env), "CUDA_VISIBLE_DEVICES"),)


def _may(env: Mapping[str, str], name: str) -> bool:
    """Whether the run may use any device: a list that is there and empty hides them all."""
    return env.get(name, "all").strip() not in ("", "-1", "NoDevFiles")
