"""Training loops of others: what transformers' Trainer and Lightning log, plan, evaluate and save.

In: `transformers.trainer`, Lightning's callback connector, right after their import. Out: values, planned steps, time in `eval` and
`checkpoint`. Their steps are seen at the optimizer (rank/torch_hooks.py).
Rule: a callback of ours is added the way the library adds its own; it answers nothing, so the loop goes on as it would.
Sources: transformers/trainer.py `DEFAULT_CALLBACKS`; lightning/pytorch/trainer/connectors/callback_connector.py
`_load_external_callbacks`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .clock import CHECKPOINT
from .gate import Gate, timed
from .session import Session

NAMES = 32  # values of one log
NOT_LOGGED = ("epoch", "_runtime", "_per_second", "total_flos")  # what the timeline knows better


def trainer(module: ModuleType, session: Session) -> None:
    """transformers' Trainer: its logs, `max_steps`, `evaluate` and `_save_checkpoint`."""
    kind: Any = module.__dict__["Trainer"]
    evals = Gate(session, session.clock.place("eval"), "evaluations", early=True)
    saves = Gate(session, CHECKPOINT, "checkpoints of the Trainer")
    heard = Gate(session, 0, "logs of the Trainer")

    class Told(sys.modules["transformers"].TrainerCallback):  # type: ignore[misc]
        """What the Trainer tells its callbacks."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            heard.seen(_plan, session, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            heard.seen(_log, session, logs or {})

    Told.__module__ = "aicci"
    module.__dict__["DEFAULT_CALLBACKS"].append(Told)
    for name, gate in (("evaluate", evals), ("predict", evals), ("_save_checkpoint", saves)):
        if name in vars(kind):
            setattr(kind, name, timed(gate, vars(kind)[name]))


def lightning(module: ModuleType, session: Session) -> None:
    """Lightning's Trainer: what it logged, `estimated_stepping_batches`, validation and checkpoints."""
    plain = module.__dict__["_load_external_callbacks"]
    base: Any = module.__dict__["Callback"]
    told = _lightning_callback(base, session)

    def load(group: str) -> Any:
        return [*plain(group), told()]

    module.__dict__["_load_external_callbacks"] = load
    checkpoint: Any = module.__dict__["ModelCheckpoint"]
    saves = Gate(session, CHECKPOINT, "checkpoints of Lightning")
    checkpoint._save_checkpoint = timed(saves, checkpoint._save_checkpoint)


def _lightning_callback(base: Any, session: Session) -> Any:
    evals = Gate(session, session.clock.place("eval"), "validations", early=True)
    heard = Gate(session, 0, "logs of Lightning")
    begun: list[bool] = []
    logged: set[int] = set()

    class Told(base):  # type: ignore[misc]
        """What Lightning tells its callbacks."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            heard.seen(lambda: _plan(session, trainer.estimated_stepping_batches))

        def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
            heard.seen(_log_of_batch, session, trainer, logged)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            begun.append(evals.begin())

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if begun and begun.pop():
                evals.end()
            if not trainer.sanity_checking:  # a few batches before the first step, for the program's own sake
                heard.seen(lambda: _log(session, trainer.callback_metrics))

    Told.__module__ = "aicci"
    return Told


def _log_of_batch(session: Session, trainer: Any, logged: set[int]) -> None:
    """Lightning's own rhythm: every `log_every_n_steps`-th step, once."""
    step = trainer.global_step
    if step % max(1, trainer.log_every_n_steps) == 0 and step not in logged:
        logged.clear()
        logged.add(step)
        _log(session, trainer.logged_metrics)


def _plan(session: Session, steps: Any) -> None:
    if isinstance(steps, (int, float)) and math.isfinite(steps):
        session.plan_steps(int(steps))


def _log(session: Session, values: Mapping[str, Any]) -> None:
    """Log what is a number, under the names that the library gives."""
    numbers: dict[str, float | int] = {}
    for name, value in values.items():
        if len(numbers) < NAMES and not str(name).endswith(NOT_LOGGED) and (number := number_of(value)) is not None:
            numbers[str(name)] = number
    if numbers and session.mine():
        session.write("log", step=session.step, values=numbers)


def number_of(value: Any) -> float | int | None:
    """The number in a value; None for anything else, and for what an accelerator holds: reading it would wait for it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    device = getattr(value, "device", None)
    if device is not None and getattr(device, "type", "cpu") != "cpu":
        return None
    if getattr(value, "size", None) is None or not hasattr(value, "item"):
        return None
    try:
        found = value.item()
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None
