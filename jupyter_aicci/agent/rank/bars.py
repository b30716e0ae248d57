"""tqdm's bars: the numbers that a program hangs on them, and how many steps it plans.

In: `tqdm.std`. Out: values under the names of `set_postfix`; planned steps, from the total of a bar each turn of which was one
step, times the totals of the bars around it.
Rule 1: a bar is believed after `SURE` turns with a step each; a bar over a loader with no bar around it says only how long an
epoch is, and is not a plan.
Rule 2: the bar's iterator yields and ends as tqdm's own.
Source: tqdm/std.py, `tqdm.__iter__`, `tqdm.set_postfix`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..frames import boot_ns
from .gate import Gate
from .loops import number_of
from .session import Session

SURE = 8
LOG_NS = 100_000_000  # numbers of a bar are logged ten times a second at most


def tqdm(module: ModuleType, session: Session) -> None:
    """Watch the numbers and the turns of bars."""
    kind: Any = module.__dict__["tqdm"]
    bars = _Bars(session)
    plain_iter, plain_postfix = kind.__iter__, kind.set_postfix

    @functools.wraps(plain_iter)
    def watched(self: Any) -> Iterator[Any]:
        if not session.mine() or not self.total or self.disable:
            return plain_iter(self)  # type: ignore[no-any-return]
        return bars.turns(self, plain_iter(self))

    @functools.wraps(plain_postfix)
    def set_postfix(self: Any, ordered_dict: Any = None, refresh: bool = True, **kwargs: Any) -> Any:
        bars.gate.seen(bars.log, ordered_dict, kwargs)
        return plain_postfix(self, ordered_dict, refresh, **kwargs)

    kind.__iter__ = watched
    kind.set_postfix = set_postfix


class _Bars:
    """The bars that a program is inside of, the outermost first."""

    def __init__(self, session: Session) -> None:
        self.gate = Gate(session, 0, "progress bars")
        self._session = session
        self._open: list[Any] = []
        self._due_ns = 0

    def turns(self, bar: Any, inner: Any) -> Iterator[Any]:
        """What tqdm yields; the first turns are counted beside the steps."""
        session, turns, first = self._session, 0, self._session.steps_done
        self._open.append(bar)
        try:
            for item in inner:
                if turns <= SURE:
                    if turns == SURE and session.steps_done - first == SURE:
                        self.gate.seen(self._plan, bar, first)
                    turns += 1
                yield item
        finally:
            inner.close()
            self._open = [each for each in self._open if each is not bar]

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
