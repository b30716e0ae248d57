"""Checkpoints that a program saves by itself: torch.save, torch.distributed.checkpoint, safetensors.

In: those functions. Out: time in `checkpoint` (of an asynchronous save only what the program stood still for), a note with the size
where the file can be seen.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from .clock import CHECKPOINT
from .gate import Gate, replace, timed
from .session import Session


def torch_save(module: ModuleType, session: Session) -> None:
    """`torch.save(obj, f)`."""
    _watch(session, "save", 1, "f", module.__name__, "torch")


def distributed_checkpoint(module: ModuleType, session: Session) -> None:
    """`torch.distributed.checkpoint.save(…, checkpoint_id=)` and `async_save`; sizes are not told, a rank writes only its part."""
    for name in ("save", "async_save"):
        _watch(session, name, -1, "", module.__name__, "torch.distributed.checkpoint")


def safetensors(module: ModuleType, session: Session) -> None:
    """`safetensors.torch.save_file(tensors, filename)`."""
    _watch(session, "save_file", 1, "filename", module.__name__)


def _watch(session: Session, name: str, place: int, keyword: str, *modules: str) -> None:
    """Time `name`, whose file is its argument number `place` (-1 = none), or that keyword."""
    gate = Gate(session, CHECKPOINT, f"calls of {name}")

    def after(ns: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        target = args[place] if 0 <= place < len(args) else kwargs.get(keyword)
        if isinstance(target, (str, os.PathLike)):
            session.checkpointed(os.path.getsize(target), ns, None)

    replace(name, lambda plain: timed(gate, plain, after), *modules)
