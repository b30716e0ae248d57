"""From a fork of the keeper to a rank: session, group, claim, descriptors, signals, environment, then the program.

In: plan.json, the place in it, the group. Out: never; the process becomes the rank.
Rule 1: the claim comes before anything that could be noticed; a child that finds its place taken ends without a trace.
Rule 2: the environment is replaced, not merged. A process forked from a zygote runs the program in this very interpreter; any other
executes the plan's Python; in launcher mode the launcher is executed instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shlex
import signal
import sys

from .files import read_json, remove, write_json
from .frames import boot_ns
from .identity import take_claim
from .title import set_tag, set_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .group import Group

NOT_FOUND, NOT_STARTED = 127, 126  # the shell's exit codes for a command that is missing, or cannot be executed
TAGS = ("AICCI_RUN", "AICCI_ATTEMPT", "AICCI_NODE_DIR", "AICCI_RANK")


def become_rank(plan: dict[str, Any], node_dir: str, index: int, group: Group) -> NoReturn:
    """Turn this forked child into the rank at `index` of the plan. All signals are blocked when it is called."""
    code = NOT_STARTED
    try:
        rank = int(plan["ranks"][index]["rank"])
        env = _environment(plan, index)
        os.setsid()
        group.join()
        if not take_claim(os.path.join(node_dir, f"rank-{rank}.claim")):
            os._exit(0)
        _redirect(os.path.join(node_dir, f"rank-{rank}.log"))
        set_title(f"aicci rank {rank} {plan['run_id']}")
        set_tag({name: env[name] for name in TAGS if name in env})
        _own_signals()
        _bounds(plan)
        if plan["read_only"]:
            _protect(plan["read_only"])
        os.chdir(os.path.join(plan["run_dir"], "src"))
        _run(plan, node_dir, index, env)
    except FileNotFoundError as error:
        code = NOT_FOUND
        print(f"aicci: cannot start: {error}", file=sys.stderr)
    except BaseException as error:
        import traceback

        with contextlib.suppress(OSError):
            traceback.print_exc()
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            _blame_disk(node_dir, index, plan, error)
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    os._exit(code)


def _environment(plan: dict[str, Any], index: int) -> dict[str, str]:
    """The rank's environment; the values of secrets are in a file of their own, which does not outlive the run."""
    env = {str(key): str(value) for key, value in plan["ranks"][index]["env"].items()}
    if plan["secrets"]:
        values = read_json(os.path.join(plan["run_dir"], "secrets.json")) or {}
        env |= {name: str(values[name]) for name in plan["secrets"] if name in values}
    return env


def _blame_disk(node_dir: str, index: int, plan: dict[str, Any], error: BaseException) -> None:
    """The error record of a rank that could not be born on a full disk; there is room for it where the keeper kept some."""
    remove(os.path.join(node_dir, "keeper.reserve"))
    record = {"t_ns": boot_ns(), "type": type(error).__name__, "message": str(error), "traceback": "", "line": 0, "cell_line": "",
              "where": "", "secondary": False, "infra": True, "reason": "disk full", "frames": [], "step": None}  # fmt: skip
    with contextlib.suppress(OSError):
        write_json(os.path.join(node_dir, f"rank-{plan['ranks'][index]['rank']}.error"), record)


def _redirect(log: str) -> None:
    """stdin from nowhere, stdout and stderr to the log (one file keeps their order), every other descriptor closed."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    signal.set_wakeup_fd(-1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _own_signals() -> None:
    """As after an exec by a shell: nothing caught, nothing ignored, nothing blocked."""
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # Python's own two
    with contextlib.suppress(AttributeError):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _bounds(plan: dict[str, Any]) -> None:
    """The node's CPUs, no core files (a rank's memory is large), as many open files as allowed."""
    if plan["cpus"]:
        with contextlib.suppress(OSError, ValueError):
            os.sched_setaffinity(0, plan["cpus"])
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _protect(paths: list[str]) -> None:
    from .readonly import make_read_only

    why = make_read_only(paths)
    if why:
        print(f"aicci: data is writable, it could not be made read-only: {why}", file=sys.stderr)


def _run(plan: dict[str, Any], node_dir: str, index: int, env: dict[str, str]) -> NoReturn:
    if plan["launcher"]:
        command = [*shlex.split(plan["launcher"]), plan["source"], *plan["argv"]]
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(command[0], command, env)
    if "aicci_warm" in sys.modules:  # the zygote put it there: the framework is imported in this very process
        from .rank.main import run_rank

        os.environ.clear()
        os.environ.update(env)
        run_rank(plan, index)
        os._exit(0)
    from .warmkey import package

    os.execve(plan["python"], [plan["python"], "-u", package(), "rank", node_dir, str(index)], env)
