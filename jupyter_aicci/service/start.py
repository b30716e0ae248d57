"""From a command to a service that answers: go into the background, decide a race, hand over to `main.serve`.

The command returns 0 as soon as a service of this home answers, be it the one it started or another that was quicker;
else it prints why not and returns 3. The service itself runs in a session of its own, so no terminal, kernel or Jupyter
server takes it along.
Rule: standard library only until the race is decided; the loser must cost nothing.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_aicci.model.errors import AicciError, HostError
from jupyter_aicci.service.log import redirect
from jupyter_aicci.store.paths import Home, prepare
from jupyter_aicci.store.sockets import answers

READY_S = 15.0
LOOK_S = 0.01
UNREACHABLE = 3  # exit status of ux.md


def main(argv: Sequence[str]) -> int:
    """The exit status of the command."""
    home = Home.from_environment(os.environ)
    try:
        prepare(home)
        if "--foreground" in argv:
            return run_here(home, ready_fd=-1)
        return run_behind(home)
    except AicciError as error:
        print(error, file=sys.stderr)
        return UNREACHABLE


def run_behind(home: Home) -> int:
    """Start the service in the background and wait for its word."""
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_fd)
        _daemon(home, write_fd)
    os.close(write_fd)
    os.waitpid(child, 0)
    with os.fdopen(read_fd, "rb") as pipe:
        word = pipe.read().decode(errors="replace")
    if word == "ready":
        return 0
    raise HostError("service_cannot_start", word or "it ended before it answered.")


def _daemon(home: Home, ready_fd: int) -> None:
    """The first child leaves at once, so that the second is nobody's child and in nobody's session."""
    os.setsid()
    if os.fork():
        os._exit(0)
    status = UNREACHABLE
    try:
        redirect(home.service_log)
        os.chdir("/")
        status = run_here(home, ready_fd=ready_fd)
    except BaseException as error:
        _tell(ready_fd, str(error) if isinstance(error, AicciError) else f"it failed by a mistake of ours: {error!r}")
        if not isinstance(error, (AicciError, SystemExit)):
            import traceback

            traceback.print_exc()
    finally:
        os._exit(status)


def run_here(home: Home, *, ready_fd: int) -> int:
    """Be the service until it is told to end; 0 at once where another one is it already."""
    lock_fd = win(home)
    if lock_fd < 0:
        _tell(ready_fd, "ready")
        return 0
    from jupyter_aicci.service.main import serve

    return serve(home, lambda: _tell(ready_fd, "ready"))


def win(home: Home) -> int:
    """The descriptor that holds `service.lock`, or −1 when another service holds it and answers.

    One that is ending still holds it and answers no more; one that starts does not answer yet: so both are waited for.
    """
    lock_fd = _open_lock(home.service_lock)
    deadline_s = time.monotonic() + READY_S
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock_fd
        except BlockingIOError:
            pass
        if answers(home.service_socket):
            os.close(lock_fd)
            return -1
        if time.monotonic() > deadline_s:
            os.close(lock_fd)
            raise HostError(
                "service_hangs", f"a service holds {home.service_lock} and has not answered for {READY_S:.0f} s.",
                hint=f"{home.service_json} has its pid; end it and try again.",
            )  # fmt: skip
        time.sleep(LOOK_S)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        from jupyter_aicci.store.disk import from_os_error

        raise from_os_error(error, path, "opening") from None


def _tell(ready_fd: int, word: str) -> None:
    if ready_fd >= 0:
        try:
            os.write(ready_fd, word.encode())
            os.close(ready_fd)
        except OSError:
            pass  # who asked has gone
