"""tqdm's bars: the numbers that a program hangs on them, how many steps it plans, and the steps of a JAX program.

In: `tqdm.std`. Out: values under the names of `set_postfix`; planned steps, from the total of a bar each turn of which was one
step, times the totals of the bars around it; a step for each turn of the bar that trains, where JAX does and nothing else says.
Rule 1: a bar is believed after `SURE` turns with a step each; a bar over a loader with no bar around it says only how long an
epoch is, and is not a plan.
Rule 2: the bar's iterator yields and ends as tqdm's own.
Rule 3: the bar that trains is the one, by its place in the program, in one turn of which JAX compiled longest: a training step
takes longer to compile than an evaluation or what prepares data. A turn in which the program stepped otherwise is no step.
Source: tqdm/std.py, `tqdm.__iter__`, `tqdm.update`, `tqdm.set_postfix`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..frames import boot_ns
from .gate import Gate
from .loops import number_of
from .session import Session

SURE = 8
MOST_PLACES = 64  # of bars that are moved by hand
LOG_NS = 100_000_000  # numbers of a bar are logged ten times a second at most

Place = tuple[Any, int]  # code, line


def tqdm(module: ModuleType, session: Session) -> None:
    """Watch the numbers and the turns of bars."""
    kind: Any = module.__dict__["tqdm"]
    bars = _Bars(session)
    plain_iter, plain_postfix, plain_update = kind.__iter__, kind.set_postfix, kind.update

    @functools.wraps(plain_iter)
    def watched(self: Any) -> Iterator[Any]:
        if not session.mine() or not self.total or self.disable:
            return plain_iter(self)  # type: ignore[no-any-return]
        return bars.turns(self, plain_iter(self), _place())

    @functools.wraps(plain_postfix)
    def set_postfix(self: Any, ordered_dict: Any = None, refresh: bool = True, **kwargs: Any) -> Any:
        bars.gate.seen(bars.log, ordered_dict, kwargs)
        return plain_postfix(self, ordered_dict, refresh, **kwargs)

    @functools.wraps(plain_update)
    def update(self: Any, n: float | None = 1) -> Any:
        if bars.compiled_ns and session.mine():
            bars.gate.seen(bars.updated, self, _place())
        return plain_update(self, n)

    kind.__iter__ = watched
    kind.set_postfix = set_postfix
    kind.update = update


class _Turn:
    """One turn of a bar: how many steps were done when it began, and JAX's longest compilation in it."""

    __slots__ = ("longest_ns", "steps_done")

    def __init__(self, steps_done: int, longest_ns: int = 0) -> None:
        self.steps_done, self.longest_ns = steps_done, longest_ns


class _Bars:
    """The bars that a program is inside of, the outermost first."""

    def __init__(self, session: Session) -> None:
        self.gate = Gate(session, 0, "progress bars")
        self._session = session
        self._open: list[Any] = []
        self._due_ns = 0
        self.compiled_ns = 0  # JAX's longest compilation so far
        self._training: Place | None = None
        self._longest_ns = 0  # JAX's longest compilation in a turn of it
        self._turns: dict[Place, _Turn] = {}  # those that go on
        session.on_compiled.append(self._heard)

    def turns(self, bar: Any, inner: Any, place: Place) -> Iterator[Any]:
        """What tqdm yields; the first turns are counted beside the steps."""
        session, turns, first = self._session, 0, self._session.steps_done
        self._open.append(bar)
        try:
            for item in inner:
                if turns <= SURE:
                    if turns == SURE and session.steps_done - first == SURE:
                        self.gate.seen(self._plan, bar, first)
                    turns += 1
                self._turns[place] = _Turn(session.steps_done)
                yield item
                if self.compiled_ns:
                    self.gate.seen(self._turned, place)
        finally:
            inner.close()
            self._turns.pop(place, None)
            self._open = [each for each in self._open if each is not bar]

    def updated(self, bar: Any, place: Place) -> None:
        """The program has moved a bar by hand; tqdm itself moves those that are iterated."""
        if any(each is bar for each in self._open):
            return
        if place in self._turns or len(self._turns) < MOST_PLACES:
            self._turns.setdefault(place, _Turn(self._session.steps_done, self.compiled_ns))
            self._turned(place)
            self._turns[place] = _Turn(self._session.steps_done)

    def _heard(self, ns: int) -> None:
        """JAX has compiled something in all turns that go on."""
        self.compiled_ns = max(self.compiled_ns, ns)
        for turn in self._turns.values():
            turn.longest_ns = max(turn.longest_ns, ns)

    def _turned(self, place: Place) -> None:
        """A turn of the bar at `place` is over."""
        session, turn = self._session, self._turns[place]
        if session.steps_done != turn.steps_done:
            return
        if turn.longest_ns > self._longest_ns:
            self._training, self._longest_ns = place, turn.longest_ns
        if self._training == place:
            session.optimizer_step()
            session.stop_point()

    def _plan(self, bar: Any, first: int) -> None:
        around = self._open[: next(place for place, each in enumerate(self._open) if each is bar)]
        if not around:
            if not hasattr(bar.iterable, "batch_sampler"):
                self._session.plan_steps(first + int(bar.total))
            return
        steps = int(bar.total)
        for outer in around:
            steps *= int(outer.total)
        self._session.plan_steps(max(steps, self._session.planned))

    def log(self, values: Any, more: dict[str, Any]) -> None:
        """The numbers of a postfix; text and tensors that an accelerator holds are left out."""
        session, now_ns = self._session, boot_ns()
        if session.step is None or not session.mine() or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOG_NS
        pairs = {**dict(values or {}), **more}
        numbers = {str(name): number for name, value in pairs.items() if (number := number_of(value)) is not None}
        if numbers:
            session.write("log", step=session.step, values=numbers)


def _place() -> Place:
    """Where the program uses the bar."""
    frame = sys._getframe(2)
    return frame.f_code, frame.f_lineno
