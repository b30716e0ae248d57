"""Values of a rank on their way into the notebook: NAME.pkl, NAME.bin and NAME.json.

In: any value. Out: a pickle (protocol 5) whose arrays lie apart in one aligned file, and a summary that may be read without
unpickling anything: type, shapes, size, hash, versions.
Rule 1: reading maps NAME.bin (ACCESS_COPY): a gigabyte is there in milliseconds, writable, and the file never changes.
Rule 2: NAME.json is written last; a value counts when it is there and its hash is that of NAME.pkl.
Rule 3: a value that cannot be pickled leaves a NAME.json with the reason, and no error anywhere else.
Rule 4: only the notebook of the run's owner unpickles, never service or page.
torch's CPU tensors go through numpy views (bfloat16 as 16-bit integers), others to the CPU first; JAX's arrays become numpy's.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import mmap
import operator
import os
import pickle
import platform
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .files import read_json, replacing, write_atomic

ALIGN_BYTES = 64
LOOKED_AT = 2000  # parts of a value that the search for the unpicklable one looks at
DEPTH = 6
SUMMARY_ENTRIES = 20
PACKAGES = ("numpy", "torch", "jax", "pandas", "cloudpickle")  # whose versions matter for reading back

StrPath = str | os.PathLike[str]


class ValueUnavailableError(Exception):
    """A value that was not written, is damaged, or cannot be unpickled here; the message says which and why."""


def write_value(directory: StrPath, name: str, obj: Any, producer: Mapping[str, Any]) -> dict[str, Any]:
    """Write a value, and return its summary (with "error" where it could not be). Raises only `OSError`."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    base = os.path.join(directory, name)
    summary = {"name": name, "type": type_name(obj), "summary": describe(obj), "python": platform.python_version(),
               "versions": _versions(), "producer": dict(producer), "error": None}  # fmt: skip
    try:
        data, buffers = _pickled(obj)
    except Exception as error:
        reason = describe_unpicklable(name, obj) or f"{name}: {type(error).__name__}: {error}"
        return _write_json(base, {**summary, "error": reason, "size_bytes": 0, "buffers": [], "blake2b": ""})
    places = _write_buffers(f"{base}.bin", buffers)
    write_atomic(f"{base}.pkl", data)
    size_bytes = len(data) + sum(length for _, length in places)
    return _write_json(base, {**summary, "size_bytes": size_bytes, "buffers": places, "blake2b": _digest(data)})


def write_absence(directory: StrPath, name: str, reason: str, producer: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a value that there is not."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    summary = {
        "name": name,
        "type": "",
        "summary": "",
        "python": platform.python_version(),
        "versions": {},
        "producer": dict(producer),
    }
    return _write_json(
        os.path.join(directory, name), {**summary, "error": reason, "size_bytes": 0, "buffers": [], "blake2b": ""}
    )


def load_value(directory: StrPath, name: str) -> Any:
    """The value; its arrays are mapped, not read. Raises `ValueUnavailableError`."""
    base = os.path.join(directory, name)
    summary = read_json(f"{base}.json")
    if summary is None:
        raise ValueUnavailableError(f"there is no value {name} in {directory}")
    if summary["error"]:
        raise ValueUnavailableError(str(summary["error"]))
    try:
        with open(f"{base}.pkl", "rb") as file:
            data = file.read()
        if _digest(data) != summary["blake2b"]:
            raise ValueUnavailableError(f"{base}.pkl is not what the run wrote: its hash is another")
        buffers = _map_buffers(f"{base}.bin", summary["buffers"])
    except (OSError, ValueError) as error:
        raise ValueUnavailableError(f"{name} cannot be read back: {error}") from error
    try:
        return pickle.loads(data, buffers=buffers)
    except Exception as error:
        made = ", ".join(
            f"{package} {version}" for package, version in {"Python": summary["python"], **summary["versions"]}.items()
        )
        raise ValueUnavailableError(
            f"{name} ({summary['type']}) cannot be unpickled here: {type(error).__name__}: {error}. It was made with {made}."
        ) from error


def type_name(obj: Any) -> str:
    """`dict`, `numpy.ndarray`, `torch.Tensor`: the class with its package, without builtins."""
    kind = type(obj)
    package = kind.__module__.partition(".")[0]
    return kind.__qualname__ if package in ("builtins", "__main__") else f"{package}.{kind.__qualname__}"


def describe(obj: Any) -> str:
    """A line about a value that shows nothing of it but form: `float32 (3, 4)`, `dict of 3: loss list of 200, …`."""
    shape, dtype = getattr(obj, "shape", None), getattr(obj, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        return f"{str(dtype).removeprefix('torch.')} {tuple(int(n) for n in shape)}"
    if isinstance(obj, (bool, int, float)):
        return repr(obj)
    if isinstance(obj, Mapping):
        shown = [
            f"{key} {describe(value) or type_name(value)}"[:80] for key, value in list(obj.items())[:SUMMARY_ENTRIES]
        ]
        return f"{type_name(obj)} of {len(obj)}" + (f": {', '.join(shown)}" if shown else "")
    if isinstance(obj, (list, tuple, set, frozenset, str, bytes)):
        return f"{type_name(obj)} of {len(obj)}"
    return ""


def describe_unpicklable(name: str, obj: Any) -> str:
    """`cfg.model.lock: cannot pickle '_thread.lock' object`: the deepest part that cannot be pickled; "" if all can be."""
    reason = _why_not(obj)
    if not reason:
        return ""
    seen, looked = {id(obj)}, 0
    for _ in range(DEPTH):
        for path, part in _parts(name, obj):
            looked += 1
            why = "" if id(part) in seen or looked > LOOKED_AT else _why_not(part)
            if why:
                seen.add(id(part))
                name, obj, reason = path, part, why
                break
        else:
            break
    return f"{name}: {reason}"


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"{name}[{index}]", part) for index, part in enumerate(value))
    elif getattr(value, "__closure__", None) and hasattr(value, "__code__"):
        cells = zip(value.__code__.co_freevars, value.__closure__, strict=True)
        yield from ((f"{name} → {free}", cell.cell_contents) for free, cell in cells)
    yield from ((f"{name}.{attribute}", part) for attribute, part in getattr(value, "__dict__", {}).items())


def _why_not(value: Any) -> str:
    try:
        _pickled(value)
    except Exception as error:
        return f"{error}" or type(error).__name__
    return ""


# pickling


def _pickled(obj: Any) -> tuple[bytes, list[memoryview]]:
    file, buffers = io.BytesIO(), list[memoryview]()

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            buffers.append(buffer.raw())
        except BufferError:  # not contiguous: stays in the pickle
            return True
        return False

    _pickler_class()(file, protocol=5, buffer_callback=keep).dump(obj)
    return file.getvalue(), buffers


def _pickler_class() -> Any:
    """cloudpickle's where it is installed (classes of the cell by value), with our way for arrays before it."""
    base: Any = pickle.Pickler
    with contextlib.suppress(ImportError):
        base = importlib.import_module("cloudpickle").Pickler

    class ArrayPickler(base):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            reduced = _reduce_array(obj)
            if reduced is not NotImplemented:
                return reduced
            inherited = getattr(super(), "reducer_override", None)
            return inherited(obj) if inherited else NotImplemented

    return ArrayPickler


def _reduce_array(obj: Any) -> Any:
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and hasattr(torch, "Tensor") and isinstance(obj, torch.Tensor):
        return _reduce_tensor(torch, obj)
    if jax is not None and hasattr(jax, "Array") and isinstance(obj, jax.Array):
        numpy = importlib.import_module("numpy")
        try:
            return numpy.asarray, (numpy.asarray(obj),)
        except TypeError:  # a typed random key; jax says how to save it
            return NotImplemented
    return NotImplemented


def _reduce_tensor(torch: Any, tensor: Any) -> Any:
    """A tensor as calls that any process with torch understands: from_numpy, and what it needs on top."""
    if (
        tensor.layout is not torch.strided
        or tensor.is_quantized
        or type(tensor) not in (torch.Tensor, torch.nn.Parameter)
    ):
        return NotImplemented
    plain = tensor.detach().cpu().contiguous().resolve_conj().resolve_neg()
    if type(tensor) is torch.nn.Parameter:
        return torch.nn.Parameter, (plain, tensor.requires_grad)
    if tensor.requires_grad:
        return operator.methodcaller("requires_grad_", True), (plain,)
    try:
        return torch.from_numpy, (plain.numpy(),)
    except TypeError:  # numpy has no such dtype
        same_size = {1: torch.uint8, 2: torch.int16}.get(plain.element_size())
        if same_size is None or not plain.ndim:
            return NotImplemented
        return operator.methodcaller("view", tensor.dtype), (torch.from_numpy(plain.view(same_size).numpy()),)


# files


def _write_buffers(path: str, buffers: list[memoryview]) -> list[list[int]]:
    """One file of all buffers, each aligned; [[offset, length]]."""
    places, at = list[list[int]](), 0
    with replacing(path) as file:
        for buffer in buffers:
            file.write(b"\0" * (-at % ALIGN_BYTES))
            at += -at % ALIGN_BYTES
            places.append([at, buffer.nbytes])
            file.write(buffer)
            at += buffer.nbytes
    return places


def _map_buffers(path: str, places: list[list[int]]) -> list[memoryview]:
    if not places:
        return []
    end = max(at + length for at, length in places)
    if not end:
        return [memoryview(bytearray()) for _ in places]
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < end:
            raise ValueError(f"{path} is shorter than its summary says")
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return [view[at : at + length] for at, length in places]


def _write_json(base: str, summary: dict[str, Any]) -> dict[str, Any]:
    write_atomic(f"{base}.json", json.dumps(summary, default=str).encode("utf-8", "backslashreplace"))
    return summary


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def _versions() -> dict[str, str]:
    found = ((package, getattr(sys.modules.get(package), "__version__", "")) for package in PACKAGES)
    return {package: str(version) for package, version in found if version}
