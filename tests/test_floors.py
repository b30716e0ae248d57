"""The house stands: floors import downwards only, pure floors touch nothing, the agent can be packed alone.

Read from the source by `ast`, imports inside functions and under TYPE_CHECKING included.
A new package gets a floor here and a line in docs/contributing/map.md.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "jupyter_aicci"
ROOT = Path(__file__).resolve().parent.parent / PACKAGE
FLOORS: dict[str, int] = {
    "magics": 7,  # a magic shows the form
    "widgets": 6, "extension": 6, "cli": 6,
    "client": 5, "render": 5,
    "service": 4,
    "engines": 3, "datasets": 3,
    "store": 2, "traces": 2, "speedup": 2,
    "scheduler": 1, "provision": 1, "pricing": 1, "timeline": 1, "faults": 1, "source": 1,
    "model": 0,
}  # fmt: skip
PURE = (*(room for room, floor in FLOORS.items() if floor <= 1), "traces", "speedup")
WIRE_MODULES = tuple(f"{PACKAGE}.agent.{name}" for name in ("frames", "files", "identity", "checkpoints", "values"))
AGENT_MAY_IMPORT = {"pynvml", "torch", "jax", "numpy", "cloudpickle"}  # in ranks, and only if the program has them
DOES_IO = {
    "asyncio", "ctypes", "fcntl", "glob", "http", "logging", "mmap", "multiprocessing", "os", "pathlib", "queue",
    "random", "secrets", "select", "selectors", "shutil", "socket", "sqlite3", "subprocess", "tempfile", "threading",
    "time", "urllib", "concurrent", "requests", "tornado", "jupyter_core",
}  # fmt: skip
DOES_IO_CALLS = {"open", "input", "print"}
READS_CLOCK = {"now", "utcnow", "today"}


def modules(room: str) -> list[Path]:
    """The files of one room; a room may be a package or one module."""
    return sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(absolute dotted name, line) of everything that the file imports, `from x import y` as both x and x.y."""
    package = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(name: str) -> str:
    """The room that a dotted name of ours lies in, "" for names of others and of the package itself."""
    parts = name.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 and parts[1] not in ("__version__",) else ""


def present() -> list[str]:
    """Every room of the tree."""
    entries = [path for path in ROOT.iterdir() if path.name not in ("__init__.py", "__pycache__")]
    return sorted(path.stem for path in entries if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))))


ROOMS = present()


def test_every_room_has_a_floor() -> None:
    """A package or module without a floor would be held by no rule."""
    assert set(ROOMS) - {"agent"} <= set(FLOORS)


def test_the_map_names_every_room() -> None:
    """docs/contributing/map.md shows a newcomer the house as it is."""
    text = (ROOT.parent / "docs" / "contributing" / "map.md").read_text(encoding="utf-8")
    assert [room for room in ROOMS if f"`{room}/" not in text] == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "agent"])
def test_floors_import_downwards_only(room: str) -> None:
    """A module imports its own room and rooms on lower floors, nothing beside or above it."""
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line} imports {name}"
        for path in modules(room)
        for name, line in imports(path)
        if (other := room_of(name)) not in ("", room, "agent") and FLOORS.get(other, 99) >= FLOORS[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "agent"])
def test_only_wire_modules_of_the_agent_are_imported(room: str) -> None:
    """What crosses a process border is the five wire modules; the rest is the agent's own."""
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line} imports {name}"
        for path in modules(room)
        for name, line in imports(path)
        if room_of(name) == "agent" and not any(name == wire or name.startswith(wire + ".") for wire in WIRE_MODULES)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room in PURE])
def test_pure_floors_import_no_io_modules(room: str) -> None:
    """Functions of their arguments: no disk, network, process, clock, thread or chance."""
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line} imports {name}"
        for path in modules(room)
        for name, line in imports(path)
        if name.split(".")[0] in DOES_IO or room_of(name) == "agent"
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room in PURE])
def test_pure_floors_call_nothing_that_reads_the_world(room: str) -> None:
    """`open`, `print`, `datetime.now` need no import that would give them away."""
    wrong = []
    for path in modules(room):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            by_name = isinstance(node.func, ast.Name) and node.func.id in DOES_IO_CALLS
            by_clock = (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in READS_CLOCK
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("datetime", "date")
            )
            if by_name or by_clock:
                wrong.append(f"{path.relative_to(ROOT.parent)}:{node.lineno} calls {ast.unparse(node.func)}")
    assert wrong == []


def test_the_agent_imports_the_standard_library_and_itself() -> None:
    """It runs in images that have a Python and nothing else; ranks import their own frameworks, if they have them."""
    wrong = []
    for path in modules("agent"):
        for name, line in imports(path):
            top = name.split(".")[0]
            own = name.startswith(f"{PACKAGE}.agent")
            if not own and top not in sys.stdlib_module_names and top not in AGENT_MAY_IMPORT:
                wrong.append(f"{path.relative_to(ROOT.parent)}:{line} imports {name}")
    assert wrong == []


def test_the_agent_names_itself_by_relative_imports_only() -> None:
    """Inside its zipapp it is called aicci_agent, so a name of its own would not be found there."""
    wrong = []
    for path in modules("agent"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            wrong += [f"{path.name}:{node.lineno} imports {name}" for name in names if name.split(".")[0] == PACKAGE]
    assert wrong == []


def test_every_form_of_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above see relative imports, imports inside functions and `from package import module`."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path / PACKAGE)
    path = tmp_path / PACKAGE / "model" / "bad.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from jupyter_aicci import service\nfrom ..client.api import Client\nfrom . import text\n"
        "def f():\n    import os.path\n"
    )
    found = [name for name, _ in imports(path)]
    assert found == ["jupyter_aicci.service", "jupyter_aicci.client.api.Client", "jupyter_aicci.model.text", "os.path"]
    assert [room_of(name) for name in found] == ["service", "client", "model", ""]
