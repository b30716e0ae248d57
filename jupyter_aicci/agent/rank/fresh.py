"""A forked process made as good as one that was just started.

A rank is forked from a zygote that has imported a framework: what that process had registered to happen at its own end, its random
generators, its standard streams and its knowledge of helpers must not be the rank's. In a cold process all this changes nothing.
Rule: what is imported is asked, nothing is imported here that a plain program would not have.
Sources: facts measured with torch 2.15 and CPython 3.11; multiprocessing/util.py, weakref.py for the private names.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import io
import os
import signal
import sys
import weakref
from collections.abc import Callable
from typing import Any


def forget_inherited() -> None:
    """Nothing that an ancestor registered runs in this process; what its modules need at an end is registered again."""
    atexit._clear()
    finalize: Any = weakref.finalize
    for info in list(finalize._registry.values()):
        info.atexit = False
    finalize._registered_with_atexit = False  # so that the first finalizer of the program registers anew
    _register_again("logging", "shutdown")
    _register_again("multiprocessing.util", "_exit_function")
    _register_again("jax._src.distributed", "shutdown")  # without it the other ranks see their coordinator crash
    _forget_helpers()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.clearcache()


def _register_again(module: str, function: str) -> None:
    if module in sys.modules:
        atexit.register(getattr(sys.modules[module], function))


def _forget_helpers() -> None:
    """multiprocessing's helper processes, its key and its idea of the working directory belong to the ancestor."""
    tracker: Any = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    if tracker is not None:
        tracker._fd = tracker._pid = None
    server: Any = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    if server is not None:
        server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()
        process.current_process().authkey = os.urandom(32)


def open_streams() -> None:
    """stdout and stderr as new objects on 1 and 2 that write whole lines at once, in UTF-8; stdin is empty."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        raw = io.BufferedWriter(io.FileIO(fd, "w", closefd=False))
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    empty = io.TextIOWrapper(io.BufferedReader(io.FileIO(os.devnull)), encoding="utf-8")
    for name in ("stdin", "__stdin__"):
        setattr(sys, name, empty)


def reseed() -> None:
    """Random generators differ between ranks as they do between processes (torch's are copied by a fork)."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None:
        torch.seed()
    if numpy is not None and "numpy.random" in sys.modules:
        numpy.random.seed()


def apply_threads() -> None:
    """OMP_NUM_THREADS by call, where the library has read it already (the zygote's was 1)."""
    torch, wanted = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS", "")
    if torch is not None and wanted.isdigit() and int(wanted) > 0:
        torch.set_num_threads(int(wanted))


def catch_signals(stacks: str, on_term: Callable[[], None]) -> None:
    """Python's own dispositions, SIGTERM to `on_term`, stacks of all threads to a file on SIGUSR2.

    Workers that the program forks get the default SIGTERM back: a pool ends its workers with it.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: on_term())
    file = open(stacks, "ab", buffering=0)  # noqa: SIM115 - open as long as the process lives
    _KEPT.append(file)
    faulthandler.register(signal.SIGUSR2, file=file, all_threads=True, chain=False)
    faulthandler.enable(file=2, all_threads=True)
    os.register_at_fork(after_in_child=_default_term)


_KEPT: list[io.FileIO] = []


def _default_term() -> None:
    with contextlib.suppress(ValueError):  # forked from another thread than the main one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave_gang() -> None:
    """Before the exit functions of a rank that failed: JAX's would wait minutes at a barrier for ranks that wait for this one."""
    for module, function in (("jax._src.api", "clean_up"), ("jax._src.distributed", "shutdown")):
        found = getattr(sys.modules.get(module), function, None)
        if found is not None:
            atexit.unregister(found)


def limit_exit(limit_s: float, end: Callable[[], None]) -> None:
    """Call `end` (which does not return) after `limit_s`, should the exit functions still be running then."""
    import threading

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()


def run_exit_functions() -> None:
    """What the interpreter does at its end: join threads, run exit functions, flush; each whatever the others do."""
    import threading

    shutdown: Any = threading._shutdown  # type: ignore[attr-defined]
    for function in (shutdown, atexit._run_exitfuncs):
        try:
            function()
        except BaseException:
            import traceback

            tell(traceback.format_exc(), end="")
    flush_streams()


def tell(text: str, *, end: str = "\n") -> None:
    """A sentence of ours in the rank's log. On a full disk it waits in the stream's buffer, and the program goes on."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=sys.stderr, flush=True)


def flush_streams() -> None:
    """Write out what is buffered; a full disk or a stream that the program closed changes nothing any more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
