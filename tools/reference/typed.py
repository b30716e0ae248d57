"""Pages of what a person types or calls: options, commands, and the calls of Python.

In: the tables of options and commands, and the docstrings of the modules that programs and notebooks import.
Rule: a page holds nothing that its table or docstring does not.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_aicci.model import commands, condition, options, text
from reference.markdown import code, page, table
from reference.signatures import functions, methods

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_aicci"


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
        "`%aicci` alone is [the launch form](../how-to/launch-from-a-form.md), `%aicci help` lists the commands.\n"
        'The kernel "Python (aicci)" has the magics; elsewhere `%load_ext jupyter_aicci` loads them.\n'
        "In a terminal it is `aicci ps`, or `jupyter aicci ps`.",
        "A run is named by its id, by its `--name`, or by the start of its id.",
        "`aicci COMMAND --json` prints one JSON document with stable keys on standard output and nothing else there;"
        " progress goes to standard error.",
        "The exit status is 0 when it is done, 1 when the run failed, 2 for unusable arguments,"
        " and 3 when the service cannot be reached.",
        *map(section, commands.COMMANDS),
    )


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
