"""What a notebook has and a rank has not: `get_ipython()`, `input()`, `breakpoint()`.

`!command`, `x = !command`, `%env`, `%cd`, `%time` and `%matplotlib` of the cell arrive as calls of `get_ipython()`: source/lines.py
turns them, and refuses all others before anything is queued. They do here what they do in IPython; what needs a person at a
keyboard is a clear error. Rule: libraries that ask IPython whether they are in a notebook see nothing of this: they are not.
"""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
import time
from typing import Any, NoReturn

_EXPANSION = re.compile(r"\$\$|\{(?P<expression>[^{}]+)\}|\$(?P<name>[A-Za-z_]\w*)")


class Output(list[str]):
    """The lines of `x = !command`, with IPython's `.n` and `.s`."""

    @property
    def n(self) -> str:
        return "\n".join(self)

    @property
    def s(self) -> str:
        return " ".join(self)


class Shell:
    """The part of IPython's shell that the cell's special lines call."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.user_ns = namespace

    def system(self, command: str) -> None:
        """`!command`: its output goes to the log; `_exit_code` is set."""
        sys.stdout.flush()
        done = subprocess.run(["/bin/sh", "-c", self._expanded(command, sys._getframe(1))], check=False)
        self.user_ns["_exit_code"] = done.returncode

    def getoutput(self, command: str) -> Output:
        """`x = !command`: the lines of its output, errors among them."""
        text = self._expanded(command, sys._getframe(1))
        done = subprocess.run(["/bin/sh", "-c", text], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="backslashreplace")  # fmt: skip
        self.user_ns["_exit_code"] = done.returncode
        return Output(done.stdout.splitlines())

    def run_line_magic(self, name: str, line: str) -> Any:
        """`%name line` for env, cd, time, matplotlib."""
        line = self._expanded(line, sys._getframe(1)) if name in ("env", "cd") else line
        match name:
            case "env":
                return _env(line.strip())
            case "cd":
                os.chdir(os.path.expanduser(line.strip().strip("'\"") or "~"))
                return None
            case "time":
                return self._time(line, sys._getframe(1))
            case "matplotlib":
                return None
        raise NameError(f"the magic %{name} does not exist in a rank; %env, %cd, %time and %matplotlib do")

    def _time(self, line: str, frame: Any) -> Any:
        """Run a statement (which may bind names) or an expression (whose value is returned), and print how long it took."""
        started_s = time.perf_counter()
        try:
            try:
                code, is_value = compile(line, "<%time>", "eval"), True
            except SyntaxError:
                code, is_value = compile(line, "<%time>", "exec"), False
            local = None if frame.f_locals is frame.f_globals else frame.f_locals
            value = eval(code, self.user_ns, local)
            return value if is_value else None
        finally:
            print(f"Wall time: {time.perf_counter() - started_s:.3g} s")

    def _expanded(self, text: str, frame: Any) -> str:
        """`{expression}` and `$name` replaced by their values, `$$` by `$`; what cannot be evaluated stays for the shell."""

        def replacement(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            try:
                return str(eval(match["expression"] or match["name"], self.user_ns, frame.f_locals))
            except Exception:
                return match[0]

        return _EXPANSION.sub(replacement, text)


def _env(line: str) -> Any:
    if not line:
        return dict(os.environ)
    name, given, value = line.partition("=") if "=" in line else line.partition(" ")
    if not given:
        return os.environ[name]
    os.environ[name.strip()] = value.strip()
    print(f"env: {name.strip()}={value.strip()}")
    return None


def furnish(namespace: dict[str, Any]) -> None:
    """Give the program its `get_ipython`, and take keyboard functions away from it."""
    shell = Shell(namespace)
    namespace["get_ipython"] = lambda: shell
    builtins.input = _no_input
    sys.breakpointhook = _no_breakpoint


def _no_input(prompt: object = "", /) -> NoReturn:
    raise EOFError(
        f"input({str(prompt)!r}) waits for a person, and a rank has none: it runs in the background. "
        "Set the value in the notebook and send it with --push."
    )


def _no_breakpoint(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError(
        "breakpoint() waits for a person, and a rank has none: it runs in the background. "
        "Print what you want to see, or run the cell without its %%aicci line."
    )
