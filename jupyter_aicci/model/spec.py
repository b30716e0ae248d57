"""RunSpec: everything that one run is, as the person asked for it.

Rule 1: outside JSON becomes a spec through `parse_spec` only, which reports every defect at once.
Rule 2: an option that nothing acts on yet is refused there by name. What was accepted once is read back by
`spec_from_json` and not judged again: a version that refuses more must still know its own journal.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, fields
from typing import Any, Literal

from jupyter_aicci.model.condition import parse_condition
from jupyter_aicci.model.errors import UserError
from jupyter_aicci.model.options import OPTIONS, Given, parse_values

Framework = Literal["torch", "jax", "plain"]
LATER_SCHEMES = ("obs", "s3", "sfs", "nfs", "evs", "pvc", "hf")
MODES = ("mount", "copy", "cached", "stream")
TOPOLOGY = r"soft|hard:[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
MOST_GRACE_S = 86_400.0
MOST_NODES = 65_536  # more than any one training job has had; each is a bar on the screen


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
    stop_if: str = ""  # "" = nothing; `model.condition`
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
    fingerprint: str = ""  # of the program; runs that share it are compared and forecast from each other

    @property
    def hard_level(self) -> str:
        """The level of the topology under one domain of which the nodes must be; "" = anywhere."""
        return self.topology.removeprefix("hard:") if self.topology != "soft" else ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `parse_spec` reads back to an equal spec."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


PROGRAM_FIELDS = ("source", "argv", "framework", "python", "cell_name", "cell_first_line", "owner", "fingerprint")
SPEC_OPTIONS = tuple(option.field for option in OPTIONS if option.face == "spec")


def parse_spec(data: dict[str, Any]) -> RunSpec:
    """The spec in a JSON object or a mapping of option texts. Raises one `UserError` naming every defect."""
    spec, defects = _read(data)
    _raise(defects + _defects(spec) + _not_available(spec))
    return spec


def defects_by_field(given: Given) -> dict[str, str]:
    """What `parse_spec` would say against option texts, by the field that it is about; {} = nothing."""
    spec, defects = _read(dict(given))
    found: dict[str, str] = {}
    for defect in defects + _defects(spec) + _not_available(spec):
        field = defect.split()[0].removeprefix("--").rstrip(":").replace("-", "_")
        found[field] = "; ".join(part for part in (found.get(field), defect) if part)
    return found


def spec_from_json(data: dict[str, Any]) -> RunSpec:
    """The spec that `RunSpec.to_json` wrote. Raises `UserError` for a JSON object that it cannot have written."""
    spec, defects = _read(data)
    _raise(defects)
    return spec


def _read(data: dict[str, Any]) -> tuple[RunSpec, list[str]]:
    """(spec, what could not be read of it)"""
    program = {key: value for key, value in data.items() if key in PROGRAM_FIELDS}
    values, defects = parse_values({key: value for key, value in data.items() if key not in PROGRAM_FIELDS})
    try:
        return RunSpec(**{key: values[key] for key in SPEC_OPTIONS}, **_program(program)), defects
    except (TypeError, ValueError) as error:
        raise UserError("bad_spec", f"the run's program fields are malformed: {error}.") from None


def _raise(defects: list[str]) -> None:
    if defects:
        raise UserError(
            "bad_spec", "; ".join(defects) + ". Nothing was submitted.",
            hint="`%aicci train --help` lists the options.", field=defects[0].split()[0],
        )  # fmt: skip


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
    for key in ("source", "python", "cell_name", "owner", "fingerprint"):
        if not isinstance(out.get(key, ""), str):
            raise ValueError(f"{key} {out[key]!r}: expected text")
    source = out.get("source", "cell.py")
    if not source or source.startswith("/") or ".." in source.split("/"):
        raise ValueError(f"source {source!r}: expected a path within the run's src directory")
    return out


def _defects(spec: RunSpec) -> list[str]:
    found = []
    if not 1 <= spec.nodes <= MOST_NODES:
        found.append(f"--nodes {spec.nodes}: expected 1 to {MOST_NODES}")
    if spec.min_nodes > spec.nodes:
        found.append(f"--min-nodes {spec.min_nodes} is more than --nodes {spec.nodes}")
    if not re.fullmatch(TOPOLOGY, spec.topology):
        found.append(f"--topology {spec.topology}: expected soft, or hard:LEVEL such as hard:leaf")
    if spec.grace > MOST_GRACE_S:
        found.append(f"--grace {spec.grace:.0f}s: expected at most a day")
    if spec.stop_if:
        try:
            parse_condition(spec.stop_if)
        except ValueError as error:
            found.append(f"--stop-if {spec.stop_if!r}: {error}")
    found += [f"--env {item!r}: expected K=V" for item in spec.env if "=" not in item[1:]]
    for option, named in (("push", spec.push), ("pull", spec.pull)):
        found += [f"--{option} {name!r}: expected the name of a variable" for name in named if not name.isidentifier()]
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


def _not_available(spec: RunSpec) -> list[str]:
    """What is asked for that no engine here acts on yet."""
    found = []
    if spec.engine != "local":
        found.append(f"--engine {spec.engine} is not available yet; --engine local is")
    if spec.image:
        found.append(f"--image {spec.image} is not available yet; ranks run in the environment that submits them")
    if spec.isolation != "runc":
        found.append(f"--isolation {spec.isolation} is not available yet; nodes are processes of this host")
    for item in spec.data:
        with contextlib.suppress(ValueError):
            mount = parse_mount(item)
            if mount.mode != "mount":
                found.append(f"--data {mount.name}: mode {mount.mode} is not available yet; mount is")
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
