"""Steps and waits for data of torch programs.

In: `torch.optim.optimizer`, `torch.utils.data.dataloader`. Out: `optimizer_step`, time in `data_wait`, notes on loaders.
What counts is the wait that the accelerator saw: marks before and after each batch are compared when it has passed them (see
rank/records.py); nothing here waits for it. Without one it is the time that the program waited.
Sources: torch/optim/optimizer.py (`register_optimizer_step_post_hook`, public); torch/utils/data/dataloader.py.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from .clock import DATA_WAIT
from .gate import Breaker, Gate
from .session import Session

MOST_LOADERS = 16  # that are told apart


def optimizers(module: ModuleType, session: Session) -> None:
    """A step after each call of an optimizer's `step`."""
    breaker = Breaker(session, "optimizer steps")

    def after_step(optimizer: Any, *_: Any) -> None:
        if breaker.open:
            return
        try:
            session.optimizer_step(id(optimizer))
            session.stop_point()
        except Exception as error:
            breaker.fault(error)

    def before_first_step(*_: Any) -> None:
        first.remove()
        if not breaker.open:
            session.works()

    module.register_optimizer_step_post_hook(after_step)
    first = module.register_optimizer_step_pre_hook(before_first_step)


def loaders(module: ModuleType, session: Session) -> None:
    """Data wait: in `next()` of a loader's iterator, and where a loader starts its workers."""
    gate = Gate(session, DATA_WAIT, "waits for data")
    _time_batches(module.__dict__["_BaseDataLoaderIter"], session, gate)
    _time_starts(module.__dict__["DataLoader"], session, gate)


def _time_batches(kind: Any, session: Session, gate: Gate) -> None:
    plain = kind.__next__

    @functools.wraps(plain)
    def timed_next(self: Any) -> Any:
        if not gate.begin():
            return plain(self)
        device = session.device
        before = None if device is None else device.mark()
        try:
            return plain(self)
        finally:
            ns = gate.end()
            if before is not None:
                device.after(DATA_WAIT, ns, before)

    kind.__next__ = timed_next


def _batch_size(loader: Any) -> int:
    """Samples a batch; 0 where the loader does not say, as one whose sampler makes batches of its own sizes."""
    return loader.batch_size or getattr(loader.batch_sampler, "batch_size", None) or 0


def _time_starts(kind: Any, session: Session, gate: Gate) -> None:
    plain, known = kind.__iter__, set[str]()

    def tell(loader: Any) -> None:
        if not session.mine() or len(known) >= MOST_LOADERS:
            return
        session.works()
        prefetch = (loader.prefetch_factor or 0) if loader.num_workers else 0
        data = {"workers": loader.num_workers, "prefetch": prefetch, "batch": _batch_size(loader)}
        text = "a loader with " + ", ".join(f"{name} {value}" for name, value in data.items())
        if text not in known:
            known.add(text)
            session.write("note", topic="loader", text=text, data=data)

    @functools.wraps(plain)
    def timed_iter(self: Any) -> Any:
        gate.seen(tell, self)
        if not gate.begin():
            return plain(self)
        try:
            return plain(self)
        finally:
            gate.end()

    kind.__iter__ = timed_iter
