"""RunSpec: everything that one run is, as the person asked for it.

Rule: outside JSON becomes a spec through `parse_spec` only, which reports every defect at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import OPTIONS, parse_values

Framework = Literal["torch", "jax", "plain"]
LATER_SCHEMES = ("obs", "s3", "sfs", "nfs", "evs", "pvc", "hf")
MODES = ("mount", "copy", "cached", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One `--data NAME=URI[:mode]`; only local paths for now."""

    name: str
    path: str  # absolute
    mode: str = "mount"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One program on `nodes` x one shape. Option fields are `model.options`; the rest is the program itself."""

    shape: tuple[str, ...] = ("auto",)
    nodes: int = 1
    min_nodes: int = 0
    ranks_per_node: int = 0  # 0 = one per accelerator, else 1
    data: tuple[str, ...] = ()
    queue: str = "default"
    priority: int = 0
    time_limit: float = 0.0  # seconds, 0 = none
    budget: int = 0  # micro-units, 0 = none
    deadline: str = ""
    retries: int = 3
    grace: float = 10.0  # seconds
    engine: str = "local"
    image: str = ""
    isolation: str = "runc"
    topology: str = "soft"
    launcher: str = ""
    push: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()
    workdir: str = ""  # absolute path of the directory that was snapshotted, "" = none
    env: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    name: str = ""
    # the program
    source: str = "cell.py"  # path within <run>/src
    argv: tuple[str, ...] = ()
    framework: Framework = "plain"
    python: str = ""  # interpreter that runs the ranks
    cell_name: str = ""  # "Cell In[7]"; "" = a file
    cell_first_line: int = 1  # line of the cell where the program's line 1 stands
    owner: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `parse_spec` reads back to an equal spec."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


PROGRAM_FIELDS = ("source", "argv", "framework", "python", "cell_name", "cell_first_line", "owner")
SPEC_OPTIONS = tuple(option.field for option in OPTIONS if option.face == "spec")


def parse_spec(data: dict[str, Any]) -> RunSpec:
    """The spec in a JSON object or a mapping of option texts. Raises one `UserError` naming every defect."""
    program = {key: value for key, value in data.items() if key in PROGRAM_FIELDS}
    values, defects = parse_values({key: value for key, value in data.items() if key not in PROGRAM_FIELDS})
    try:
        spec = RunSpec(**{key: values[key] for key in SPEC_OPTIONS}, **_program(program))
    except (TypeError, ValueError) as error:
        raise UserError("bad_spec", f"the run's program fields are malformed: {error}.") from None
    defects += _defects(spec)
    if defects:
        raise UserError(
            "bad_spec", "; ".join(defects) + ". Nothing was submitted.",
            hint="`%aicci train --help` lists the options.",
        )  # fmt: skip
    return spec


def _program(data: dict[str, Any]) -> dict[str, Any]:
    out = dict(data)
    if "argv" in out:
        if not isinstance(out["argv"], (list, tuple)):
            raise ValueError("argv: expected a list of words")
        out["argv"] = tuple(str(word) for word in out["argv"])
    if "cell_first_line" in out:
        out["cell_first_line"] = int(out["cell_first_line"])
    if out.get("framework", "plain") not in ("torch", "jax", "plain"):
        raise ValueError(f"framework {out['framework']!r}")
    for key in ("source", "python", "cell_name", "owner"):
        if not isinstance(out.get(key, ""), str):
            raise ValueError(f"{key} {out[key]!r}: expected text")
    source = out.get("source", "cell.py")
    if not source or source.startswith("/") or ".." in source.split("/"):
        raise ValueError(f"source {source!r}: expected a path within the run's src directory")
    return out


def _defects(spec: RunSpec) -> list[str]:
    found = []
    if spec.nodes < 1:
        found.append(f"--nodes {spec.nodes}: expected 1 or more")
    if spec.min_nodes > spec.nodes:
        found.append(f"--min-nodes {spec.min_nodes} is more than --nodes {spec.nodes}")
    if spec.engine == "kubernetes":
        found.append("--engine kubernetes is not available yet; --engine local is")
    found += [f"--env {item!r}: expected K=V" for item in spec.env if "=" not in item[1:]]
    names: set[str] = set()
    for item in spec.data:
        try:
            name = parse_mount(item).name
        except ValueError as error:
            found.append(str(error))
            continue
        if name in names:
            found.append(f"--data {name}: given twice; each data set needs a name of its own")
        names.add(name)
    return found


def parse_mount(text: str) -> Mount:
    """`NAME=PATH`, `NAME=file:///PATH` with an optional `:mode`; raises `ValueError` with the reason."""
    name, _, uri = text.partition("=")
    if not name.isidentifier() or not uri:
        raise ValueError(f"--data {text!r}: expected NAME=PATH or NAME=file:///PATH")
    path, mode = _split_mode(uri)
    scheme, sep, rest = path.partition("://")
    if sep and scheme in LATER_SCHEMES:
        raise ValueError(f"--data {name}: {scheme}:// is not available yet; local paths and file:// are")
    if sep and scheme != "file":
        raise ValueError(f"--data {name}: unknown scheme {scheme}://; local paths and file:// are known")
    return Mount(name=name, path=rest if sep else path, mode=mode)


def _split_mode(uri: str) -> tuple[str, str]:
    path, sep, mode = uri.rpartition(":")
    return (path, mode) if sep and mode in MODES else (uri, "mount")
