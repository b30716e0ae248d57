"""One rank from its first to its last instruction.

    run_rank(plan, index)        in a child forked from the zygote by the keeper, or in a fresh process; never returns

The keeper has set session, group, claim, descriptors (0 empty, 1 and 2 the log), working directory and environment.
Out: frames in rank-R.spool, rank-R.error if an exception ended it, results/ on rank 0, rank-R.end as the very last thing.
Rule 1: the program is a real `__main__` with a file, so tracebacks, pickling and every start method of multiprocessing work.
Rule 2: exit codes are Python's own: 0, what sys.exit says, 1 for an exception, 130 for KeyboardInterrupt; 143 where `aicci.Stop`
came out of the program because SIGTERM asked for it.
Rule 3: `os._exit` ends it, after the program's own exit functions: the interpreter's end would run the zygote's. A rank that failed
gives them the grace period and no more: its siblings hear of the failure by its end.
"""

from __future__ import annotations

import builtins
import os
import signal
import sys
import types
from typing import Any, NoReturn

from .. import checkpoints
from ..files import remove, write_json
from ..frames import boot_ns
from . import api, exchange, fresh, hooks, notebook
from .classify import chain
from .errors import CellTraceback, print_thread_errors, record_of, write_record
from .session import Session, Stop

IMPORTABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importable")  # `import aicci` of spawned workers


def run_rank(plan: dict[str, Any], index: int) -> NoReturn:
    """Run the program of `plan` as the rank at `plan["ranks"][index]`; never returns."""
    fresh.open_streams()
    fresh.forget_inherited()
    session, tracebacks = Session(plan, index), CellTraceback(plan)
    main = _main_module(plan, tracebacks.file)
    try:
        code = _run_to_its_end(session, tracebacks, main)
    except Stop:  # SIGTERM came in the moment between the program's end and ours
        code = 128 + signal.SIGTERM
    session.ending = True
    _leave(session, main, code)


def _run_to_its_end(session: Session, tracebacks: CellTraceback, main: types.ModuleType) -> int:
    """Run the program; its exit code, with a record if an exception ended it. A child forked by hand does not return."""
    ended: BaseException | None = None
    try:
        _set_up(session, tracebacks, main)
        _execute(session.plan, tracebacks.file, main)
        session.ending = session.here
        if session.here:
            remove(session.path("error"))  # of an exception that it handled when it was asked to stop
    except BaseException as error:
        session.ending = session.here
        ended = error
    if not session.here:
        _leave_child(ended)
    return 0 if ended is None else _ended_by(ended, session, tracebacks)


def _set_up(session: Session, tracebacks: CellTraceback, main: types.ModuleType) -> None:
    session.begin()
    fresh.catch_signals(session.path("stacks"), lambda: _asked_to_stop(session, tracebacks))
    fresh.reseed()
    fresh.apply_threads()
    print_thread_errors(tracebacks)
    checkpoints.discard_newer(os.path.join(session.run_dir, "ckpt"), session.resume_step, session.rank)
    api.start(session)
    os.environ["AICCI_API"] = api.__name__
    main.__dict__["aicci"] = sys.modules["aicci"] = api
    notebook.furnish(main.__dict__)
    hooks.install(session)
    exchange.load_pushed(session, main.__dict__)


def _asked_to_stop(session: Session, tracebacks: CellTraceback) -> None:
    """SIGTERM. An exception whose clean-up still runs is recorded now: the clean-up may end by `Stop` or by SIGKILL, and this rank
    would pass for one that was only stopped. Raises `Stop` as the session does."""
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and session.here and not session.ending:
        write_record(session.path("error"), record_of(error, tracebacks, step=session.step))
    session.want_stop()


def _main_module(plan: dict[str, Any], file: str) -> types.ModuleType:
    """A fresh `__main__` that knows its file, and `sys` as if the interpreter had been started with it."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=file, __builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main
    sys.argv = [file, *plan["argv"]]
    sys.path[:] = [os.path.dirname(file), *_own_path_last()]
    return main


def _own_path_last() -> list[str]:
    """`sys.path` without our directories, whose modules have everyday names; the zipapp, if this runs from one, near its end."""
    package_dir = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    home = os.path.dirname(package_dir)
    rest = [entry for entry in sys.path if entry and os.path.abspath(entry) not in (package_dir, home)]
    top_level = __name__.partition(".")[0] == os.path.basename(package_dir)  # aicci_agent.rank.main in home
    return [*rest, *([home] if top_level else []), IMPORTABLE]


def _execute(plan: dict[str, Any], file: str, main: types.ModuleType) -> None:
    with open(file, "rb") as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _ended_by(error: BaseException, session: Session, tracebacks: CellTraceback) -> int:
    """The exit code of what came out of the program; the record first, then the log."""
    session.ending = True
    code = _code_of(error, session)
    if code == 0 or isinstance(error, Stop):
        if not any(isinstance(each, Exception) for each in chain(error)):
            remove(session.path("error"))  # what it handled when it was asked to stop
        return code
    write_record(session.path("error"), record_of(error, tracebacks, step=session.step))
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            fresh.tell(str(error.code))
    elif sys.excepthook is not sys.__excepthook__ and not getattr(sys.excepthook, "__module__", "").startswith(
        "torch."
    ):
        _call_programs_hook(error)
    else:
        fresh.tell(tracebacks.text(error), end="")
    fresh.flush_streams()
    return code


def _code_of(error: BaseException, session: Session) -> int:
    if isinstance(error, Stop):
        return 128 + signal.SIGTERM if session.stop_wanted else 0
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, SystemExit):
        return 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
    return 1


def _call_programs_hook(error: BaseException) -> None:
    """The program has an excepthook of its own (a logger, a pretty printer; torch's only adds "[rank0]" to each line)."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        import traceback

        fresh.tell(traceback.format_exc(), end="")


def _leave(session: Session, main: types.ModuleType, code: int) -> NoReturn:
    """Values, the program's exit functions, the last frames, the end record."""
    session.done()
    session.say_again()
    if session.rank == 0 and code in (0, 128 + signal.SIGTERM):
        exchange.write_pulled(session, main.__dict__)
    if code != 0:
        fresh.leave_gang()
        fresh.limit_exit(float(session.plan["grace_s"]), lambda: _end(session, code))
    fresh.run_exit_functions()
    _end(session, code)


def _end(session: Session, code: int) -> NoReturn:
    try:
        write_json(session.path("end"), {"code": code, "t_ns": boot_ns()})
    except OSError as error:
        fresh.tell(f"aicci: the end record could not be written: {error}")
    os._exit(code)


def _leave_child(error: BaseException | None) -> NoReturn:
    code = 0
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
    elif error is not None:
        import traceback

        traceback.print_exception(error)
        code = 1
    fresh.flush_streams()
    os._exit(code)
