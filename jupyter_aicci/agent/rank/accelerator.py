"""What the accelerator in use saw of a wait, and how much memory the framework holds on it.

In: torch's module of the device (`torch.cuda`, `torch.npu`) once the program uses it. Out: marks in its current stream, which are
compared when it has passed them; a `sample` frame a second with `gpu_allocated` and `gpu_reserved`.
Rule: no synchronisation, no device is touched that the program did not touch, nothing is recorded while a graph is captured.
Not run on hardware: tested with a module of the same functions.
"""

from __future__ import annotations

import sys
from typing import Any

from .gate import Breaker
from .session import Session

MODULES = ("torch.cuda", "torch.npu", "torch_npu.npu")
MOST_PENDING = 64  # waits of one step that are asked about


def watch(session: Session) -> None:
    """Look once a second whether an accelerator has come into use; from then on sample its memory."""
    breaker = Breaker(session, "accelerator memory")

    def look() -> None:
        if breaker.open:
            return
        try:
            if session.device is None:
                session.device = in_use(session)
            if session.device is not None:
                session.device.sample()
        except Exception as error:
            breaker.fault(error)

    session.every_second.append(look)


def in_use(session: Session) -> Device | None:
    """The device that the program has initialised."""
    for name in MODULES:
        module: Any = sys.modules.get(name)
        if module is not None and getattr(module, "is_initialized", bool)():
            return Device(session, module)
    return None


class Device:
    """One accelerator as torch's module shows it."""

    __slots__ = ("_breaker", "_module", "_session")

    def __init__(self, session: Session, module: Any) -> None:
        self._session, self._module = session, module
        self._breaker = Breaker(session, "waits of the accelerator")

    def mark(self) -> Any:
        """A mark in the current stream, None where none can be set."""
        if self._breaker.open or len(self._session.clock.pending) >= MOST_PENDING:
            return None
        try:
            if self._module.is_current_stream_capturing():
                return None
            event = self._module.Event(enable_timing=True)
            event.record()
            return event
        except Exception as error:
            self._breaker.fault(error)
            return None

    def after(self, place: int, host_ns: int, before: Any) -> None:
        """The second mark of a wait that began with `before` and took the host `host_ns`."""
        event = self.mark()
        if event is not None:
            self._session.clock.pending.append((place, host_ns, before, event))

    def sample(self) -> None:
        module, rank = self._module, str(self._session.rank)
        memory = {"gpu_allocated": module.memory_allocated(), "gpu_reserved": module.memory_reserved()}
        self._session.write("sample", node={}, ranks={rank: memory}, devices={}, nics={})
