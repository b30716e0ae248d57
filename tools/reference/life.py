"""Pages of what happens to a run: its states, why an attempt ended, the rows of its journal, and every error.

In: the tables of states and events, and the source text of every raised error.
Rule: a page holds nothing that its table or the source does not.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path

from jupyter_aicci.model import errors, events, states
from reference.markdown import code, page, table

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_aicci"


def states_page() -> str:
    diagram = ["```mermaid", "stateDiagram-v2", "    [*] --> submitted"]
    for state, steps in states.TRANSITIONS.items():
        diagram += [f"    {state} --> {target}: {step}" for step, target in steps.items()]
    diagram += [f"    {state} --> [*]" for state in states.TRANSITIONS if state in states.TERMINAL] + ["```"]

    def row(state: states.State) -> tuple[str, ...]:
        steps = ", ".join(f"{step} → {target}" for step, target in states.TRANSITIONS[state].items()) or "none: the end"
        held = "yes" if state in states.HOLDS_NODES else "no"
        return states.ICONS[state], code(state), states.MEANINGS[state], held, steps

    return page(
        "States of a run",
        "jupyter_aicci/model/states.py",
        "A run is always in one of these states, and each change is one row of the journal with a reason in words.\n"
        "A step that the table does not have is a bug: it raises and changes nothing.",
        "\n".join(diagram),
        table(("icon", "state", "meaning", "holds its nodes", "steps that can follow"), map(row, states.State)),
        "A node is billed from the moment it is held until nothing of the run lives on it any more.",
    )


def exit_classes_page() -> str:
    def row(kind: states.ExitClass) -> tuple[str, ...]:
        return code(kind), states.CLASS_MEANINGS[kind], "yes" if kind in states.RETRIED else "no"

    return page(
        "Exit classes",
        "jupyter_aicci/model/states.py",
        "Why an attempt did not succeed: the field `exit_class` of a run.\n"
        "The class decides whether the run is tried again; `--retries` says how often.",
        table(("class", "meaning", "tried again"), map(row, states.ExitClass)),
    )


def field_comments(cls: type) -> dict[str, str]:
    """The comment that stands behind each field of a data class."""
    pattern = re.compile(r"^    (\w+): [^#\n]*#\s*(.+)$", re.MULTILINE)
    return dict(pattern.findall(inspect.getsource(cls)))


def events_page() -> str:
    parts = []
    for kind, cls in events.KINDS.items():
        comments = field_comments(cls)
        fields = [field for field in dataclasses.fields(cls) if field.name not in ("run_id", "time_ns")]
        rows = [(code(field.name), code(field.type), comments.get(field.name, "")) for field in fields]
        parts.append(f"## `{kind}`\n\n{inspect.getdoc(cls)}\n\n" + table(("field", "type", "note"), rows))
    return page(
        "Events of the journal",
        "jupyter_aicci/model/events.py",
        "Every row of the journal is one event: which run (`run_id`), when (`time_ns`) and a body of its kind.\n"
        "`time_ns` is in nanoseconds since 1970, on an axis that never goes backwards.\n"
        "A run's present is computed from its rows and from nothing else.",
        *parts,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One place of the source that makes an error."""

    code: str
    kind: str
    message: str
    hint: str


def template(node: ast.expr | None) -> str:
    """The text of a string expression with its computed parts as `…`."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(template(value) if isinstance(value, ast.Constant) else "…" for value in values)
        case ast.BinOp(left=left, right=right):
            return template(left) + template(right)
        case None:
            return ""
    return "…"


def error_classes() -> dict[str, type[errors.AicciError]]:
    """Every class of errors that can be raised, by name."""
    found = {"AicciError": errors.AicciError}
    waiting = [errors.AicciError]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            found[cls.__name__] = cls
            waiting.append(cls)
    return found


def raised_errors() -> list[Raised]:
    """Every error with a code that is written out in the source, by code; the first text of a code stands for it."""
    kinds, found = error_classes(), {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            if name in kinds and isinstance(first, ast.Constant) and isinstance(first.value, str):
                hint = next((word.value for word in node.keywords if word.arg == "hint"), None)
                error = Raised(code=first.value, kind=name, message=template(node.args[1]), hint=template(hint))
                found.setdefault(error.code, error)
    return [found[key] for key in sorted(found)]


def errors_page() -> str:
    kinds = error_classes()
    classes = [(code(name), code(cls.status), inspect.getdoc(cls) or "") for name, cls in kinds.items()]
    rows = [
        (code(error.code), code(kinds[error.kind].status), error.message.replace("\n", " "), error.hint)
        for error in raised_errors()
    ]
    return page(
        "Errors",
        "the errors that jupyter_aicci raises",
        "Magic, CLI and API give the same text: what is wrong and what was expected, then the next step.\n"
        "Scripts test `code`, which stays as it is; the texts may become better.\n"
        "Anything else that is raised is a bug.",
        "## By whose fault it is",
        table(("class", "status of the API", "meaning"), classes),
        "## Codes",
        "`…` stands for what is filled in.",
        table(("code", "status", "message", "next step"), rows),
    )
