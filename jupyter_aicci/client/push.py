"""`--push` values as files: `push/NAME.pkl`, cloudpickle's, which every rank reads back.

In: names and the notebook's values. Out: bytes, or one `UserError` that names the variable and the way to the part of it that
cannot be sent (`cfg.logger.stream`), for every variable that fails.
Rule: the ranks may start hours later and many times, so a value is what it was when the cell ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.text import size

MAX_BYTES = 2_000_000_000


def pickled(values: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of each value. Raises one `UserError` ("unpicklable" or "push_too_large") naming every defect."""
    out, defects = {}, []
    for name, value in values.items():
        try:
            out[name] = _dumps(value)
        except Exception as error:
            defects.append(_defect(name, value, error))
    if defects:
        raise UserError(
            "unpicklable", "; ".join(defects) + ". Nothing was submitted.",
            hint="Push what it is made from, and make it in the cell; open files, locks and connections stay here.", field="push",
        )  # fmt: skip
    large = [f"{name} has {size(len(data))}" for name, data in out.items() if len(data) > MAX_BYTES]
    if large:
        raise UserError(
            "push_too_large", f"--push takes {size(MAX_BYTES)}: {', '.join(large)}. Nothing was submitted.",
            hint="Write it to a file and mount it with --data.", field="push",
        )  # fmt: skip
    return out


def _dumps(value: Any) -> bytes:
    import cloudpickle  # 20 ms, and only when something is pushed

    return bytes(cloudpickle.dumps(value, protocol=5))


def _defect(name: str, value: Any, error: Exception) -> str:
    from jupyter_aicci.agent.values import describe_unpicklable  # only when something cannot be sent

    return f"--push {name}: {describe_unpicklable(name, value) or error}"
