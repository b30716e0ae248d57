"""Time that a rank is blocked in collectives of torch.

    Work.wait          every collective of torch.distributed that is waited for, synchronous ones included
    DDP's reducer      its wait at the end of a backward pass, between two callbacks of the autograd engine

In: `torch.distributed.distributed_c10d`, `torch.nn.parallel.distributed`. Out: time in `comm`; on an accelerator marks on its
stream, which tell how long it stood still there (rank/records.py).
Rule 1: no comm hook is registered: it would be the program's only one, and divides before it adds, which changes last bits.
Rule 2: the functions of torch.distributed stay what they are: torch.compile knows them by identity.
Not seen: collectives inside compiled graphs, and FSDP's on an accelerator, which wait for events of streams.
Sources: torch/csrc/distributed/c10d/reducer.cpp (`finalize_backward` is a final callback of the engine, queued when the last bucket
is ready); torch/csrc/autograd/engine.cpp (final callbacks run in the order of queueing, and may queue more).
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from .clock import COMM
from .gate import Gate
from .session import Session


def works(module: ModuleType, session: Session) -> None:
    """Time in `Work.wait`."""
    gate = Gate(session, COMM, "collectives")
    kind: Any = module.__dict__["Work"]
    plain = kind.wait

    @functools.wraps(plain)
    def timed_wait(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not gate.begin():
            return plain(self, *args, **kwargs)
        device = session.device
        before = None if device is None else device.mark()
        try:
            return plain(self, *args, **kwargs)
        finally:
            ns = gate.end()
            if before is not None:
                device.after(COMM, ns, before)

    kind.wait = timed_wait


def data_parallel(module: ModuleType, session: Session) -> None:
    """From the first `DistributedDataParallel` on, the end of each backward pass."""
    kind: Any = module.__dict__["DistributedDataParallel"]
    plain = kind.__init__

    @functools.wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        kind.__init__ = plain
        watch.seen(_watch_backward, session, watch)

    watch = Gate(session, COMM, "ends of backward passes")
    kind.__init__ = init


def _watch_backward(session: Session, gate: Gate) -> None:
    torch: Any = sys.modules["torch"]
    autograd: Any = sys.modules["torch.autograd"]
    plain = autograd._engine_run_backward
    queue = autograd.variable.Variable._execution_engine.queue_callback
    finish = _Finish(session, gate, queue)

    @functools.wraps(plain)
    def run_backward(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        handle = None
        if not finish.running:
            try:
                root = outputs[0]
                if isinstance(root, torch.Tensor) and root.requires_grad:
                    handle = root.register_hook(finish.hook)
                    finish.running = True
            except Exception:
                handle = None  # what the engine itself will refuse
        if handle is None:
            return plain(outputs, *args, **kwargs)
        try:
            return plain(outputs, *args, **kwargs)
        finally:
            finish.running = False
            handle.remove()

    autograd._engine_run_backward = run_backward


class _Finish:
    """The end of one backward pass: a callback before the reducer's, and one after it."""

    __slots__ = ("_before", "_begun", "_gate", "_queue", "_session", "running")

    def __init__(self, session: Session, gate: Gate, queue: Any) -> None:
        self._session, self._gate, self._queue = session, gate, queue
        self._begun = False
        self._before: Any = None
        self.running = False

    def hook(self, _: Any) -> None:
        """At the root of the graph, so first: what is queued here runs before what the reducer will queue."""
        self._gate.seen(self._queue, self._begin)

    def _begin(self) -> None:
        device = self._session.device
        self._before = None if device is None else device.mark()
        self._begun = self._gate.begin()
        self._gate.seen(self._queue, self._end)

    def _end(self) -> None:
        ns = 0
        if self._begun:
            self._begun = False
            ns = self._gate.end()
        if self._before is not None:
            before, self._before = self._before, None
            self._session.device.after(COMM, ns, before)
