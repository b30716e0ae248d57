"""Time that a rank is blocked in collectives of torch.

    Work.wait          every collective of torch.distributed that is waited for, synchronous ones included
    DDP's reducer      its wait at the end of a backward pass, between two callbacks of the autograd engine, which a hook at one
                       parameter queues: one at the root of each graph costs as much again

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
    """The end of each backward pass through a `DistributedDataParallel`."""
    kind: Any = module.__dict__["DistributedDataParallel"]
    plain = kind.__init__
    gate = Gate(session, COMM, "ends of backward passes")

    @functools.wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        gate.seen(_watch_module, self, session, gate)

    kind.__init__ = init


def _watch_module(model: Any, session: Session, gate: Gate) -> None:
    """Hear of each pass at a parameter that gets a gradient in all of them; where none is sure to, at the pass's root."""
    autograd: Any = sys.modules["torch.autograd"]
    finish = _Finish(session, gate, autograd.variable.Variable._execution_engine.queue_callback)
    if model.find_unused_parameters or model.static_graph:
        _watch_roots(autograd, finish)
        return
    smallest = min((each for each in model.parameters() if each.requires_grad), key=lambda each: int(each.numel()))
    autograd.graph.get_gradient_edge(smallest).node.register_prehook(finish.hook)


def _watch_roots(autograd: Any, finish: _Finish) -> None:
    """A hook at the root of each graph, put there for its pass alone."""
    torch: Any = sys.modules["torch"]
    plain = autograd._engine_run_backward
    if hasattr(plain, "watched"):
        return  # for another model
    running = False

    @functools.wraps(plain)
    def run_backward(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal running
        handle = None
        if not running:
            try:
                root = outputs[0]
                if isinstance(root, torch.Tensor) and root.requires_grad:
                    handle = root.register_hook(finish.hook)
                    running = True
            except Exception:
                handle = None  # what the engine itself will refuse
        if handle is None:
            return plain(outputs, *args, **kwargs)
        try:
            return plain(outputs, *args, **kwargs)
        finally:
            running = False
            handle.remove()

    run_backward.watched = True  # type: ignore[attr-defined]
    autograd._engine_run_backward = run_backward


class _Finish:
    """The end of a backward pass: a callback before the reducer's, and one after it."""

    __slots__ = ("_before", "_begun", "_end_here", "_gate", "_queue", "_session", "_start")

    def __init__(self, session: Session, gate: Gate, queue: Any) -> None:
        self._session, self._gate, self._queue = session, gate, queue
        self._start, self._end_here = self._begin, self._end
        self._begun = False
        self._before: Any = None

    def hook(self, _: Any) -> None:
        """Before the last gradient is there: what is queued here runs before what the reducer will queue."""
        self._gate.seen(self._queue, self._start)

    def _begin(self) -> None:
        device = self._session.device
        self._before = None if device is None else device.mark()
        self._begun = self._gate.begin()
        if self._begun or self._before is not None:
            self._gate.seen(self._queue, self._end_here)

    def _end(self) -> None:
        ns = 0
        if self._begun:
            self._begun = False
            ns = self._gate.end()
        if self._before is not None:
            before, self._before = self._before, None
            self._session.device.after(COMM, ns, before)
