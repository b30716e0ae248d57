"""The clock of one rank: in which phase every nanosecond was, and the records of steps made from that.

In: `enter` and `leave` at the transitions, `step` at the end of each step. Out: records for `steps` frames (exact ns, no gap),
and, through `say`, a `phase` frame for what lasts.
Rule 1: the clock is always in exactly one phase: the innermost that is open, else the base (starting, compute, done).
Rule 2: a transition costs one reading of the clock and a few list operations; nothing is written for it unless it lasts. What
lasted `LONG_NS` the last time is said when it begins, else when it has lasted; a phase frame never goes back before an earlier one.
Rule 3: one thread's clock. Who calls sees to it that it is the thread that steps (rank/session.py).
Must not import: a framework.
"""

from __future__ import annotations

import time
from _thread import get_ident
from collections.abc import Callable
from typing import Any

LONG_NS = 50_000_000  # what lasts this long is a phase frame of its own
MOST_NAMES = 64  # a program that numbers its spans has the rest of them under one name
BOOT = time.CLOCK_BOOTTIME
FIXED = ("compute", "data_wait", "comm", "checkpoint", "compile", "starting", "done", "other")
COMPUTE, DATA_WAIT, COMM, CHECKPOINT, COMPILE, STARTING, DONE, OTHER = range(len(FIXED))
FIRST_SPAN = OTHER  # from here on the places are the program's own

_now = time.clock_gettime_ns

Pending = tuple[int, int, Any, Any]  # place, ns on the host, an accelerator's mark before it, one after it


class Clock:
    """Where the time of a rank went since its last step; `say(phase, t_ns)` writes a phase frame."""

    __slots__ = (
        "at",
        "base",
        "long",
        "names",
        "ns",
        "open",
        "pending",
        "places",
        "said_ns",
        "say",
        "since_ns",
        "thread",
        "told",
    )

    def __init__(self, say: Callable[[str, int], None]) -> None:
        self.say = say
        self.names = list(FIXED)
        self.places = {name: place for place, name in enumerate(FIXED)}
        self.ns = [0] * len(FIXED)  # by place, since the last step
        self.base = self.at = STARTING
        self.thread = get_ident()  # whose time it is
        self.since_ns = self.said_ns = 0
        self.open: list[tuple[int, int]] = []  # (place, since ns), the innermost last
        self.told = 0  # how many of them a phase frame has said
        self.long = {CHECKPOINT}  # places that are said when they begin
        self.pending: list[Pending] = []  # what an accelerator will tell later, of this step

    @property
    def phase(self) -> str:
        return self.names[self.at]

    @property
    def free(self) -> bool:
        """Whether a hook may say what the time is: the rank works and is in nothing that has a reason of its own."""
        return self.at == COMPUTE or self.at >= FIRST_SPAN

    def place(self, name: str) -> int:
        """The place of a phase by its name; new names are said when they begin, as long as they are not found to be short."""
        place = self.places.get(name)
        if place is None:
            if len(self.names) >= MOST_NAMES:
                return OTHER
            place = self.places[name] = len(self.names)
            self.names.append(name)
            self.ns.append(0)
            self.long.add(place)
        return place

    def start(self) -> None:
        """The rank begins to be."""
        self.since_ns = _now(BOOT)
        self._say(self.base, self.since_ns)

    def rebase(self, base: int) -> None:
        """From now on nothing open means `base`; the time until now is of no step."""
        now_ns = _now(BOOT)
        if self.at == self.base:
            self.at = base
        self.base, self.since_ns = base, now_ns
        self.ns = [0] * len(self.names)
        self.pending = []
        if not self.told:
            self._say(base, now_ns)

    def enter(self, place: int) -> None:
        now_ns = _now(BOOT)
        self.ns[self.at] += now_ns - self.since_ns
        self.since_ns = now_ns
        self.at = place
        self.open.append((place, now_ns))
        if place in self.long:
            self.tell()

    def leave(self, place: int) -> int:
        """The innermost `place` is over, and what is open inside it; how many ns it lasted, 0 if it was not open."""
        now_ns = _now(BOOT)
        is_open = self.open
        if not is_open or (is_open[-1][0] != place and not self._unwound(place)):
            return 0
        self.ns[self.at] += now_ns - self.since_ns
        self.since_ns = now_ns
        from_ns = is_open[-1][1]
        lasted_ns = now_ns - from_ns
        if lasted_ns >= LONG_NS:
            self.long.add(place)
            self.tell()
        depth = len(is_open) - 1
        del is_open[depth]
        self.at = is_open[-1][0] if depth else self.base
        if self.told > depth:
            self.told = depth
            self._say(self.at, now_ns)
            if lasted_ns < LONG_NS:
                self.long.discard(place)
        return lasted_ns

    def leave_all(self) -> None:
        while self.open:
            self.leave(self.open[-1][0])

    def tell(self) -> None:
        """Say what is open and not yet said, the outer before the inner."""
        for place, from_ns in self.open[self.told :]:
            self._say(place, from_ns)
        self.told = len(self.open)

    def moved(self, place: int, ns: int, from_ns: int, to_ns: int) -> None:
        """`ns` of the time just spent were `place`, as is heard only now: it lay between `from_ns` and `to_ns`."""
        now_ns = _now(BOOT)
        at = self.at
        self.ns[at] += now_ns - self.since_ns
        self.since_ns = now_ns
        ns = max(0, min(ns, self.ns[at]))
        self.ns[at] -= ns
        self.ns[place] += ns
        if to_ns - from_ns >= LONG_NS:
            self.tell()
            self._say(place, from_ns)
            self._say(at, to_ns)

    def step(self) -> tuple[int, list[int], list[Pending]]:
        """(now, ns by place since the last step, what an accelerator will tell of it); a new step begins."""
        now_ns = _now(BOOT)
        ns, pending = self.ns, self.pending
        ns[self.at] += now_ns - self.since_ns
        self.since_ns = now_ns
        self.ns = [0] * len(ns)
        if pending:
            self.pending = []
        return now_ns, ns, pending

    def _unwound(self, place: int) -> bool:
        """Whether `place` is open further out; then what was left open inside it (a generator that is not resumed) is dropped."""
        for depth in range(len(self.open) - 1, -1, -1):
            if self.open[depth][0] == place:
                del self.open[depth + 1 :]
                self.told = min(self.told, depth + 1)
                return True
        return False

    def _say(self, place: int, t_ns: int) -> None:
        self.said_ns = max(self.said_ns, t_ns)
        self.say(self.names[place], self.said_ns)


class Span:
    """A phase of the program's own, as a context manager or a decorator; one object a name, which may be used again and nested.

    Entered in the program's inner loop: `enter` and `leave` for the case that nothing has to be said, written out.
    """

    __slots__ = ("_clock", "_place")

    def __init__(self, clock: Clock, place: int) -> None:
        self._clock, self._place = clock, place

    def __enter__(self) -> None:
        clock, place = self._clock, self._place
        if get_ident() != clock.thread:
            return
        now_ns = _now(BOOT)
        clock.ns[clock.at] += now_ns - clock.since_ns
        clock.since_ns = now_ns
        clock.at = place
        clock.open.append((place, now_ns))
        if place in clock.long:
            clock.tell()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        clock = self._clock
        if get_ident() != clock.thread:
            return
        is_open = clock.open
        now_ns = _now(BOOT)
        if is_open and clock.told < len(is_open):
            place, from_ns = is_open[-1]
            if place == self._place and now_ns - from_ns < LONG_NS:
                clock.ns[place] += now_ns - clock.since_ns
                clock.since_ns = now_ns
                is_open.pop()
                clock.at = is_open[-1][0] if is_open else clock.base
                return
        clock.leave(self._place)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside
