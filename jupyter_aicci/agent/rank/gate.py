"""What every hook stands behind: a breaker that takes it off when it fails, and a gate through which it moves the clock.

Rule 1: nothing here raises (`aicci.Stop` is no fault and goes through).
Rule 2: a hook opens a phase only where the rank works and is in none that has a reason of its own: a barrier inside a checkpoint is
part of the checkpoint.
"""

from __future__ import annotations

import functools
import sys
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from .clock import COMPUTE, FIRST_SPAN
from .session import Session

FAULTS = 3


class Breaker:
    """Counts the faults of one hook; open after three, for the rest of the program."""

    __slots__ = ("_faults", "_name", "_session", "open")

    def __init__(self, session: Session, name: str) -> None:
        self._session, self._name, self._faults = session, name, 0
        self.open = False

    def fault(self, error: Exception) -> None:
        self._faults += 1
        if self._faults == FAULTS:
            self.open = True
            text = f"{self._name} are no longer watched: {type(error).__name__}: {error}"
            self._session.write("note", topic="hook", text=text, data={})


class Gate:
    """One phase that hooks enter and leave; `begin` says whether there is an `end` to call.

    They stand in the program's inner loop: `Session.mine` and `Clock.free` are written out.
    """

    __slots__ = ("_breaker", "_clock", "_early", "_place")

    def __init__(self, session: Session, place: int, name: str, *, early: bool = False) -> None:
        self._clock, self._place, self._early = session.clock, place, early  # early: in the start, too
        self._breaker = Breaker(session, name)

    def begin(self) -> bool:
        clock = self._clock
        if self._breaker.open or get_ident() != clock.thread:
            return False
        try:
            at = clock.at
            if at != COMPUTE and at < FIRST_SPAN and not (self._early and at == clock.base):
                return False
            clock.enter(self._place)
            return True
        except Exception as error:
            self._breaker.fault(error)
            return False

    def end(self) -> int:
        """How many ns it lasted."""
        try:
            return self._clock.leave(self._place)
        except Exception as error:
            self._breaker.fault(error)
            return 0

    def seen(self, look: Callable[..., None], *args: Any) -> None:
        """Call `look` behind the breaker."""
        if not self._breaker.open:
            try:
                look(*args)
            except Exception as error:
                self._breaker.fault(error)


def timed(gate: Gate, plain: Callable[..., Any], after: Callable[..., None] | None = None) -> Callable[..., Any]:
    """`plain` whose time is the gate's phase; `after(ns, args, kwargs)` hears of each call that did not raise."""

    @functools.wraps(plain)
    def timed_call(*args: Any, **kwargs: Any) -> Any:
        if not gate.begin():
            return plain(*args, **kwargs)
        ns = 0
        try:
            result = plain(*args, **kwargs)
        finally:
            ns = gate.end()
        if after is not None:
            gate.seen(after, ns, args, kwargs)
        return result

    return timed_call


def replace(name: str, timed_by: Callable[[Callable[..., Any]], Callable[..., Any]], *modules: str) -> None:
    """Put the timed function in the place of the plain one in every module that is imported and has that very one.

    Raises `AttributeError` if the first module does not have it.
    """
    plain = vars(sys.modules[modules[0]]).get(name)
    if plain is None:
        raise AttributeError(f"it has no {name}")
    wrapped = timed_by(plain)
    for module in modules:
        found = sys.modules.get(module)
        if found is not None and vars(found).get(name) is plain:
            setattr(found, name, wrapped)
