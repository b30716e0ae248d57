"""Writes the pages of docs/reference from the tables of the code; `--check` only says which of them are stale.

In: the tables themselves (options, states, events, routes, the CLI's parser) and the source text of every raised error.
Rule 1: a page holds nothing that its table does not; words that belong to a thing are written where the thing is.
Rule 2: no clock, no version, no path of this machine in a page, so that equal code gives equal pages.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from signatures import functions, methods  # noqa: E402

from jupyter_aicci.client import exports, tables  # noqa: E402
from jupyter_aicci.model import commands, condition, errors, events, metrics, options, states, text  # noqa: E402
from jupyter_aicci.scheduler import policies  # noqa: E402
from jupyter_aicci.timeline.findings.rule import GATES  # noqa: E402
from jupyter_aicci.timeline.findings.table import RULES  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
PACKAGE = ROOT / "jupyter_aicci"
NOTICE = "<!-- Written by ./tools/dev docs from {source}; change that, not this page. -->"


# ------------------------------------------------------------------------------------------------- Markdown


def page(title: str, source: str, *parts: str) -> str:
    """A generated page: notice, title, parts, one blank line between them."""
    return "\n\n".join([NOTICE.format(source=source), f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a `|` within a cell is escaped."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(value: object) -> str:
    return f"`{value}`" if value not in ("", None) else ""


# -------------------------------------------------------------------------------------------------- options


def options_page() -> str:
    def default(option: options.Option) -> str:
        if option.kind == "flag":
            return "off"
        if option.kind == "duration":
            return code(text.duration(option.default)) if option.default else "none"
        if option.default in ("", (), 0):
            return "none" if option.kind != "int" else code(option.default)
        return code(",".join(option.default) if isinstance(option.default, tuple) else option.default)

    def row(option: options.Option) -> tuple[str, ...]:
        names = " ".join(code(name) for name in (option.short, option.flag) if name)
        value = option.metavar or ", ".join(option.choices)
        key = code(option.field) if option.face == "spec" else "only where it is typed"
        return names, code(value), default(option), key, option.help

    return page(
        "Options",
        "jupyter_aicci/model/options.py",
        "One table gives the flags of `%%aicci train`, `%aicci forecast` and `aicci run`, their completion,"
        " and the fields of the service's API.\n"
        "An unknown option is an error that names the nearest known one, and nothing is submitted.\n"
        "Durations are written `90`, `30s`, `2h` or `1h30m`; money is in the price book's currency.",
        table(("option", "value", "default", "field of the spec", "meaning"), map(row, options.OPTIONS)),
        "## What `--stop-if` may name",
        "With `+ - * /`, `< <= > >= == !=`, `and`, `or`, `not` and parentheses; numbers such as `2.5`, `50%` and `15m`.\n"
        "`for 15m` at the end: only when it has been true for so long.\n"
        "While a number that decides is not known, nothing is stopped.",
        table(("name", "meaning"), ((code(name), meaning) for name, meaning in condition.NAMES.items())),
    )


# ------------------------------------------------------------------------------------------------- commands


def commands_page() -> str:
    def words(command: commands.Command) -> str:
        shown = ["[options]"] if command.options else []
        for argument in command.arguments:
            flag = argument.name.startswith("-")
            given = "|".join(argument.choices) or ("N" if argument.kind == "int" else argument.metavar)
            value = f"{argument.name} {given}".strip() if flag else "|".join(argument.choices) or argument.name
            value += "…" if argument.many in ("+", "...") else ""
            shown.append(f"[{value}]" if flag or argument.many in ("?", "...") else value)
        return " ".join(shown)

    def section(command: commands.Command) -> str:
        typed = [f"{command.prog(face)} {words(command)}".strip() for face in command.faces]
        rows = [(code(argument.name), argument.help) for argument in command.arguments]
        shown = "```\n" + "\n".join(typed) + "\n```"
        options_are = "The options are those of [Options](options.md)." if command.options else ""
        parts = [f"## {command.name}", command.help[0].upper() + command.help[1:] + ".", shown, options_are]
        return "\n\n".join(part for part in [*parts, table(("word", "meaning"), rows) if rows else ""] if part)

    return page(
        "Commands",
        "jupyter_aicci/model/commands.py",
        "In a notebook a command is a magic: `%aicci ps`.\n"
        'The kernel "Python (aicci)" has the magics; elsewhere `%load_ext jupyter_aicci` loads them.\n'
        "In a terminal it is `aicci ps`, or `jupyter aicci ps`.",
        "A run is named by its id, by its `--name`, or by the start of its id.",
        "`aicci COMMAND --json` prints one JSON document with stable keys on standard output and nothing else there;"
        " progress goes to standard error.",
        "The exit status is 0 when it is done, 1 when the run failed, 2 for unusable arguments,"
        " and 3 when the service cannot be reached.",
        *map(section, commands.COMMANDS),
    )


# --------------------------------------------------------------------------------------------------- states


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


# --------------------------------------------------------------------------------------------------- events


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


# --------------------------------------------------------------------------------------------------- errors


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


# -------------------------------------------------------------------------------------------------- policies


def policies_page() -> str:
    def row(policy: policies.Policy) -> tuple[str, ...]:
        name = code(policy.name) + (" (default)" if policy.name == policies.DEFAULT_POLICY else "")
        return (
            name,
            policy.about,
            str(policy.backfill),
            str(policy.takes),
            "replay only" if policy.anew else "live, replay",
        )

    return page(
        "Policies",
        "jupyter_aicci/scheduler/policies.py",
        "Who goes first, who may start past others, and whose place a run may take.\n"
        'For live runs `policy = "NAME"` stands under `[scheduler]` in `config.toml`;'
        " for a trace it is `aicci replay --policy NAME`.\n"
        "How they work: [Scheduling](../explanation/scheduling.md).",
        table(
            ("policy", "order", "starts past others", "takes the place of", "for"), map(row, policies.POLICIES.values())
        ),
    )


# -------------------------------------------------------------------------------------------------- findings


def findings_page() -> str:
    parts = []
    for rule, find in RULES:
        rows = [
            ("measures", rule.measures),
            ("speaks from", rule.threshold),
            ("the numbers are from", rule.source),
            ("counted as wasted", rule.money),
            ("needs", rule.needs),
            ("in the code", code(f"{find.__module__.removeprefix('jupyter_aicci.')}.{find.__name__}")),
        ]
        parts.append(f"## {rule.id} {rule.name}\n\n" + table(("", f"version {rule.version}"), rows))
    return page(
        "Findings",
        "jupyter_aicci/timeline/findings/",
        "What the rules look for in a run, from where on they speak, and what their numbers stand on.\n"
        "A finding has its time, its ranks, how sure it is, what it wasted in time and money, and one thing to try.",
        f"The first {GATES.skip_steps} steps of an attempt are left out.\n"
        f"A window has at least {GATES.least_steps} steps of every rank and lasts at least {GATES.window_s:.0f} s;"
        f" {GATES.raise_windows} in a row raise a finding, {GATES.clear_windows} in a row clear it.\n"
        f"Confidence is 0.9 from {GATES.sure_steps} steps and {GATES.sure_s:.0f} s on, 0.6 below, 1.0 for facts.\n"
        "What another finding explains is left out: a slow rank whose clocks are capped is one finding, not two.",
        "Where a machine does not measure what a rule needs, the rule says nothing.\n"
        "Rules about accelerators and RDMA have not run on such devices yet; they are tested on series made after the drivers'"
        " documentation.",
        *parts,
    )


# --------------------------------------------------------------------------------------------------- metrics

SCOPES = {
    "rank": "A rank and every process that descends from it.",
    "node": "The host, and the cgroup that bounds the ranks of the node (`group_…`).",
    "device": "An accelerator of the run: `node-0/gpu-3` is device 3 of node 0.",
    "nic": "An RDMA port: `node-0/mlx5_0`.",
}


def metrics_page() -> str:
    def row(metric: metrics.Metric) -> tuple[str, ...]:
        unit = f"{metric.unit or 'count'}/s" if metric.counter else metric.unit
        return code(metric.name), unit, "counter" if metric.counter else "gauge", metric.label

    parts = []
    for scope, about in SCOPES.items():
        rows = [row(metric) for metric in metrics.METRICS if metric.scope == scope]
        parts.append(f"## {scope}\n\n{about}\n\n" + table(("metric", "drawn in", "kind", "meaning"), rows))
    return page(
        "Metrics",
        "jupyter_aicci/model/metrics.py",
        "What the agent of a node reads once a second, and ten times a second for a moment around trouble and new findings.\n"
        "An agent that takes more than 1 % of a core over a minute reads more seldom, down to once in eight seconds.\n"
        "Some change slowly or cost much to read, and are told every ten seconds.\n"
        "A counter is kept as it was read and drawn as its rate; where it steps back it began anew.\n"
        "What a machine does not have is absent, never zero.",
        *parts,
    )


def data_page() -> str:
    def row(column: tables.Column) -> tuple[str, ...]:
        return code(column.name), code(column.dtype), column.meaning

    parts = [
        f"## {name}\n\n{DATA[name]}\n\n" + table(("column", "type", "meaning"), map(row, columns))
        for name, columns in tables.TABLES.items()
    ]
    formats = [(code(made.name), code(made.suffix), EXPORTS[made.name]) for made in exports.FORMATS]
    return page(
        "Tables of a run's data",
        "jupyter_aicci/client/tables.py",
        "`run.metrics()`, `run.phases()` and `run.costs()` are pandas frames with these columns, in this order, of these types.\n"
        "CSV and Parquet files have the same columns; times are ISO 8601 in CSV.\n"
        "Times are UTC to the nanosecond, amounts whole millionths of the currency, and what nobody knows is missing, never 0.",
        *parts,
        "## Files\n\nWhat `aicci timeline RUN --export FORMAT FILE` and `run.save(FILE)` write.\n\n"
        + table(("format", "ending", "what it is"), formats),
    )


DATA = {
    "metrics": "One row for each reading and each logged value; nothing is thinned.\n"
    "Of a run of more than 64 ranks the samples of quiet times go after two hours "
    "([Processes, files and wires](../explanation/processes-and-files.md)).",
    "phases": "What each rank did, when.\n"
    "Outside of steps a row is the phase that the rank told; of a step there is a row for each of its phases.\n"
    "`duration_ns` of a rank sums to the time for which its node was held, phase by phase as in the bill.\n"
    "Of a run of more than 400,000 records of steps the older neighbours are one row; sums stay exact.",
    "costs": "The bill by node, rank and phase.\n`amount_micro` sums to what `aicci cost RUN` says, corrections included.",
}
EXPORTS = {
    "perfetto": "a trace for [ui.perfetto.dev](https://ui.perfetto.dev) and the trace processor: "
    "nodes, ranks, steps with their phases, metrics as counters, findings",
    "csv": "the three tables as three files beside each other: `run.metrics.csv`, `run.phases.csv`, `run.costs.csv`",
    "parquet": 'the same as Parquet; needs `pip install "jupyter-aicci[parquet]"`',
    "png": "the picture",
    "html": "the timeline as one page that opens offline",
}


# -------------------------------------------------------------------------------------------------- programs


def python_page() -> str:
    rank, client = PACKAGE / "agent" / "rank", PACKAGE / "client"
    data = methods(client / "data.py", "RunData", "run.")
    calls = methods(client / "calls.py", "Calls", "client.")
    return page(
        "Python",
        "the docstrings of jupyter_aicci/agent/rank/ and jupyter_aicci/client/",
        "## In the program: `aicci`",
        "In a cell `aicci` is already there; a file says `import aicci`, which every rank has.\n"
        "`aicci.rank`, `aicci.world_size`, `aicci.local_rank` and `aicci.node_rank` say who this process is,"
        " `aicci.restart` how many attempts came before.\n"
        '`aicci.data["digits"]` is the path that `--data` mounted, `aicci.output` a directory of the run that is kept.\n'
        "`aicci.Stop` is raised where the run is to end; it is no `Exception`, so that no `except Exception` keeps it.",
        table(("call", "what it does"), functions(rank / "api.py", "aicci.")),
        "## Checkpoints: `aicci.checkpoint`",
        table(("call", "what it does"), methods(rank / "checkpoint.py", "Checkpoint", "aicci.checkpoint.")),
        "## A run: `Run`",
        "`%%aicci train -o run` binds one, `Client().run(ref)` gives one.\n"
        "`jupyter_aicci.client.CopiedRun(path)` is a run in a folder from elsewhere; it has `view` and the second table.",
        table(("call", "what it does"), methods(client / "run.py", "Run", "run.")),
        table(("call", "what it does"), [row for row in data if "source" not in row[0]]),
        "## The service: `jupyter_aicci.client.Client`",
        "`Client()` is that of `AICCI_HOME`; its service is started when the first call needs it.",
        table(
            ("call", "what it does"),
            [*methods(client / "api.py", "Client", "client."), *calls],
        ),
    )


# ----------------------------------------------------------------------------------------------------- pages

PAGES: dict[str, Callable[[], str]] = {
    "options.md": options_page,
    "commands.md": commands_page,
    "states.md": states_page,
    "exit-classes.md": exit_classes_page,
    "events.md": events_page,
    "errors.md": errors_page,
    "policies.md": policies_page,
    "metrics.md": metrics_page,
    "data.md": data_page,
    "findings.md": findings_page,
    "python.md": python_page,
}


def stale() -> dict[str, str]:
    """The pages whose file differs from what the code says now, with their new text."""
    fresh = {name: make() for name, make in PAGES.items()}
    return {
        name: new
        for name, new in fresh.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text("utf-8") != new
    }


def main() -> int:
    """Write what is stale, or with `--check` name it and exit 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    check = parser.parse_args().check
    changed = stale()
    for name, new in changed.items():
        print(("stale: " if check else "written: ") + f"docs/reference/{name}")
        if not check:
            REFERENCE.mkdir(parents=True, exist_ok=True)
            (REFERENCE / name).write_text(new, "utf-8")
    if check and changed:
        print("`./tools/dev docs` writes them anew.")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
