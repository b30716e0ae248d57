"""Time that goes into compiling: torch.compile's and JAX's.

In: dynamo's start and end callbacks; JAX's monitoring events, which tell how long something took when it is over.
Out: time in `compile`. Compiling before the first step is part of the start, and is drawn where it lasts.
Sources: torch/_dynamo/callback.py; jax.monitoring, events under /jax/core/compile/.
JAX's waits (`block_until_ready`, `device_get`) stay compute: they are waits for the result, of which collectives are a part that
nobody tells.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..frames import boot_ns
from .clock import COMPILE
from .gate import Breaker, Gate
from .session import Session

JAX_COMPILES = "/jax/core/compile/"
NS = 1_000_000_000
KEPT = 32  # stretches of compiling that a later one may have around it


def dynamo(module: ModuleType, session: Session) -> None:
    """Between the callbacks of dynamo, which pairs them: compiling inside compiling is one."""
    gate = Gate(session, COMPILE, "compilations", early=True)
    begun: list[bool] = []

    def start(*_: Any) -> None:
        begun.append(gate.begin())

    def end(*_: Any) -> None:
        if begun and begun.pop():
            gate.end()

    module.__dict__["callback_handler"].register_start_callback(start)
    module.__dict__["callback_handler"].register_end_callback(end)


def jax(module: ModuleType, session: Session) -> None:
    """A listener of durations. Events nest (tracing calls of jitted functions), so time is taken once."""
    breaker = Breaker(session, "compilations")
    stretches = Stretches()

    def heard(event: str, duration: float, **_: Any) -> None:
        if breaker.open or not event.startswith(JAX_COMPILES) or not session.mine():
            return
        try:
            to_ns = boot_ns()
            from_ns = to_ns - round(duration * NS)
            clock = session.clock
            if clock.free or clock.at == clock.base:
                clock.moved(COMPILE, stretches.new_ns(from_ns, to_ns), from_ns, to_ns)
            for hear in session.on_compiled:
                hear(to_ns - from_ns)
        except Exception as error:
            breaker.fault(error)

    module.__dict__["register_event_duration_secs_listener"](heard)


class Stretches:
    """Stretches of time that end one after another; a later one may have earlier ones inside it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: list[tuple[int, int]] = []

    def new_ns(self, from_ns: int, to_ns: int) -> int:
        """How much of a stretch that ends last is in none before it."""
        known, ns = self._known, to_ns - from_ns
        while known and known[-1][1] > from_ns:
            inner_from_ns, inner_to_ns = known.pop()
            ns -= inner_to_ns - max(from_ns, inner_from_ns)
            from_ns = min(from_ns, inner_from_ns)
        known.append((from_ns, to_ns))
        del known[:-KEPT]
        return max(0, ns)
