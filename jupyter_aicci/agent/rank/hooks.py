"""What a program does is seen without a line of code in it: which hook goes where, and when.

In: the modules of frameworks, when the program (or the zygote) has imported them. Out: calls of the session.
Rule 1: a hook never changes what the program computes, returns or raises; one that fails three times takes itself off and says so.
Rule 2: no framework is imported from here: an import hook waits for the modules that matter.
Rule 3: `AICCI_TELEMETRY=off` hooks nothing, `basic` steps, waits for data, checkpoints and compiling, `full` (the default) all.
`aicci.Stop` after an optimizer's step is meant: the parameters are whole there.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from . import accelerator, bars, collectives, compiles, loops, profiled, rendezvous, saves, torch_hooks, transport
from .session import Session, Stop

LEVELS = ("off", "basic", "full")

Hook = Callable[[ModuleType, Session], None]

BASIC: dict[str, Hook] = {
    "torch.optim.optimizer": torch_hooks.optimizers,
    "torch.utils.data.dataloader": torch_hooks.loaders,
    "torch.serialization": saves.torch_save,
    "torch.distributed.checkpoint.state_dict_saver": saves.distributed_checkpoint,
    "safetensors.torch": saves.safetensors,
    "torch._dynamo.callback": compiles.dynamo,
    "jax._src.monitoring": compiles.jax,
    "jax._src.profiler": profiled.steps,
}
FULL: dict[str, Hook] = {
    "torch.distributed.distributed_c10d": collectives.works,
    "torch.nn.parallel.distributed": collectives.data_parallel,
    "transformers.trainer": loops.trainer,
    "lightning.pytorch.trainer.connectors.callback_connector": loops.lightning,
    "pytorch_lightning.trainer.connectors.callback_connector": loops.lightning,
    "tqdm.std": bars.tqdm,
}


def install(session: Session) -> None:
    """Hook what is imported already, and what will be."""
    waiting: dict[str, Callable[[ModuleType], None]] = {"torch.distributed.rendezvous": rendezvous.hook}
    level = os.environ.get("AICCI_TELEMETRY") or "full"
    if level not in LEVELS:
        print(f"aicci: AICCI_TELEMETRY={level}: expected off, basic or full; it is taken as full", file=sys.stderr)
        level = "full"
    for name, hook in {**(BASIC if level != "off" else {}), **(FULL if level == "full" else {})}.items():
        waiting[name] = _bound(hook, session)
    if level == "full":
        accelerator.watch(session)
        transport.watch(session)
    for name in list(waiting):
        module = sys.modules.get(name)
        if module is not None:
            _guarded(waiting.pop(name), module)
    if waiting:
        sys.meta_path.insert(0, _AfterImport(waiting))


def _bound(hook: Hook, session: Session) -> Callable[[ModuleType], None]:
    return lambda module: hook(module, session)


def _guarded(hook: Callable[[ModuleType], None], module: ModuleType) -> None:
    """A framework without the places that we hook is one that is not seen, nothing worse."""
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
