"""Steps and data waits of torch programs, seen without a line of code in the program.

In: torch's optimizers and data loaders, when the program (or the zygote) has imported them. Out: calls of the session.
Rule 1: a hook never changes what the program computes; one that fails three times takes itself off and says so.
Rule 2: torch is never imported from here: an import hook waits for the two modules that matter.
`aicci.Stop` after an optimizer's step is meant: the parameters are whole there.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ..frames import boot_ns
from . import rendezvous
from .session import Session, Stop

FAULTS = 3


def install(session: Session) -> None:
    """Hook what is imported already, and what will be."""
    waiting: dict[str, Callable[[ModuleType], None]] = {
        "torch.optim.optimizer": lambda module: _hook_optimizers(module, session),
        "torch.utils.data.dataloader": lambda module: _hook_loaders(module, session),
        "torch.distributed.rendezvous": rendezvous.hook,
    }
    for name in list(waiting):
        module = sys.modules.get(name)
        if module is not None:
            _guarded(waiting.pop(name), module)
    if waiting:
        sys.meta_path.insert(0, _AfterImport(waiting))


class Breaker:
    """Counts the faults of one hook; open after three, for the rest of the program."""

    def __init__(self, session: Session, name: str) -> None:
        self._session, self._name, self._faults = session, name, 0

    @property
    def open(self) -> bool:
        return self._faults >= FAULTS

    def fault(self, error: Exception) -> None:
        self._faults += 1
        if self.open:
            text = f"{self._name} are no longer watched: {type(error).__name__}: {error}"
            self._session.write("note", topic="hook", text=text, data={})


def _hook_optimizers(module: ModuleType, session: Session) -> None:
    breaker = Breaker(session, "optimizer steps")

    def after_step(*_: Any) -> None:
        if breaker.open:
            return
        try:
            session.optimizer_step()
            session.stop_point()
        except Exception as error:
            breaker.fault(error)

    module.register_optimizer_step_post_hook(after_step)


def _hook_loaders(module: ModuleType, session: Session) -> None:
    kind = module._BaseDataLoaderIter
    plain = kind.__next__
    breaker = Breaker(session, "data waits")

    @functools.wraps(plain)
    def timed_next(self: Any) -> Any:
        from_ns = boot_ns()
        batch = plain(self)
        if not breaker.open:
            try:
                session.waited(from_ns, boot_ns())
            except Exception as error:
                breaker.fault(error)
        return batch

    kind.__next__ = timed_next


def _guarded(hook: Callable[[ModuleType], None], module: ModuleType) -> None:
    """A torch without the places that we hook is a torch whose steps are not seen, nothing worse."""
    try:
        hook(module)
    except Stop:
        raise
    except Exception as error:
        print(f"aicci: {module.__name__} is not watched: {type(error).__name__}: {error}", file=sys.stderr)


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function with each waited-for module right after it was executed."""

    def __init__(self, waiting: dict[str, Callable[[ModuleType], None]]) -> None:
        self._waiting = waiting

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._waiting:
            return None
        hook = self._waiting.pop(fullname)
        if not self._waiting:
            sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, hook)
        return spec


class _Loader(importlib.abc.Loader):
    """The module's own loader, and the hook behind it."""

    def __init__(self, inner: Any, hook: Callable[[ModuleType], None]) -> None:
        self._inner, self._hook = inner, hook

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._inner.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._inner
        self._inner.exec_module(module)
        _guarded(self._hook, module)
