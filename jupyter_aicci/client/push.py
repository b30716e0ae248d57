"""`--push` values as files: `push/NAME.pkl`, cloudpickle's, which every rank reads back.

In: names and the notebook's values. Out: bytes, or one `UserError` that names the variable and the way to the part of it that
cannot be sent (`cfg.logger.stream`), for every variable that fails.
Rule: the ranks may start hours later and many times, so a value is what it was when the cell ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.text import size

MAX_BYTES = 2_000_000_000
LOOKED_AT = 2000  # parts of a value that the search for the culprit looks at
DEPTH = 6


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
    path, part = _culprit(name, value)
    return f"--push {name}: {path} is a {type(part).__name__}, which cannot be sent ({error})"


def _culprit(name: str, value: Any) -> tuple[str, Any]:
    """The deepest part that cannot be pickled while its own parts can, and how it is reached."""
    seen, looked = {id(value)}, 0
    for _ in range(DEPTH):
        for path, part in _parts(name, value):
            looked += 1
            if looked > LOOKED_AT:
                return name, value
            if id(part) not in seen and not _sendable(part):
                seen.add(id(part))
                name, value = path, part
                break
        else:
            break
    return name, value


def _sendable(value: Any) -> bool:
    try:
        _dumps(value)
    except Exception:
        return False
    return True


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"{name}[{index}]", part) for index, part in enumerate(value))
    elif callable(value) and getattr(value, "__closure__", None):
        cells = zip(value.__code__.co_freevars, value.__closure__, strict=True)
        yield from ((f"{name} → {free}", cell.cell_contents) for free, cell in cells)
    yield from ((f"{name}.{attribute}", part) for attribute, part in getattr(value, "__dict__", {}).items())
