"""Steps that a JAX program marks for its profiler: `jax.profiler.StepTraceAnnotation("train", step_num=n)`.

In: `jax._src.profiler`. Out: a step at the end of each, with the program's number.
Only the first name that is seen counts: evaluations are marked in the same way, under another name.
Source: jax/_src/profiler.py, `StepTraceAnnotation`; its trace is what it was.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from .gate import Gate
from .session import Session


def steps(module: ModuleType, session: Session) -> None:
    """Step where the annotation ends."""
    kind: Any = module.__dict__["StepTraceAnnotation"]
    gate, leading = Gate(session, 0, "annotated steps"), list[str]()
    plain_init, plain_exit = kind.__init__, kind.__exit__

    @functools.wraps(plain_init)
    def init(self: Any, name: str, **kwargs: Any) -> None:
        plain_init(self, name, **kwargs)
        self._aicci = name, kwargs.get("step_num")

    def ended(annotation: Any) -> None:
        name, number = annotation._aicci
        if session.mine() and name == (leading or [name])[0]:
            leading[:] = [name]
            session.numbered_step(number if isinstance(number, int) else None)
            session.stop_point()

    @functools.wraps(plain_exit)
    def exit_(self: Any, *error: Any) -> Any:
        result = plain_exit(self, *error)
        if not any(error):
            gate.seen(ended, self)
        return result

    kind.__init__ = init
    kind.__exit__ = exit_
