"""The zygote: a process that has imported a framework, runs nothing of it, and forks keepers from which ranks are forked.

    <python> -u <package> zygote KEY PLAN-LIKE.json SOCKET-FD LOCK-FD      (warmstart.py starts it)

In: one request a connection, one line `{"node_dir": …}`; out: one line `{"pid": …}` or `{"refused": why}`. Who connects during
the import waits for its end.
Rule 1: it has one thread, or it refuses: a fork copies only the thread that forks, and where an OpenMP region ever had two, every
child hangs.
Rule 2: it never executes an operation and never imports a module of the program's.
Rule 3: it forks only while its key is what the disk says now; a stale one refuses and ends.
Sources: CPython's forkserver; pytorch#17199 for the OpenMP hang; gc.freeze for copy on write.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

from .files import read_json, remove, set_role, write_json
from .identity import claim_of
from .title import set_title
from .warmkey import key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PRELOAD = {
    "torch": ("numpy", "torch", "torch.distributed", "torch._dynamo"),  # _dynamo: the first optimizer imports it, 4 s
    "jax": ("numpy", "jax", "jax.numpy"),
    "plain": ("numpy",),
}
OPTIONAL = frozenset({"numpy"})  # a program without it runs all the same
IDLE_S = 15 * 60.0
MOST_FORKS = 200
LOOK_S = 20.0  # how often an idle zygote looks whether its key still holds
REQUEST_S = 2.0  # a client that connects and says nothing is let go


def run_zygote(name: str, order_path: str, socket_fd: int, lock_fd: int) -> NoReturn:
    """Import, then serve until idle, worn or stale. Never returns; `lock_fd` is held to the end."""
    set_role("zygote")
    os.set_inheritable(socket_fd, False)
    os.set_inheritable(lock_fd, False)
    order = read_json(order_path)
    if order is None:
        raise RuntimeError(f"{order_path} is missing; the agent writes it before it starts a zygote")
    zygote = Zygote(name, order, socket.socket(fileno=socket_fd), lock_fd)
    zygote.serve(zygote.load())
    if _place(order["socket"]) == zygote.place:
        remove(order["socket"])
        remove(order_path)
    zygote.turn_away("the zygote has ended; a new one is started")
    os._exit(0)


class Zygote:
    """The state of one zygote: what it was ordered to be, and how often it has forked."""

    def __init__(self, name: str, order: dict[str, Any], listener: socket.socket, lock_fd: int) -> None:
        self.name, self.order, self.listener, self.lock_fd = name, order, listener, lock_fd
        self.forks = 0
        self.place = _place(order["socket"])
        listener.setblocking(False)

    def load(self) -> str:
        """Import what the framework needs; the reason in words where it cannot be forked from, else ""."""
        set_title(f"aicci zygote {self.name} loading")
        gc.disable()  # importing makes a million objects and hardly a cycle: a fifth of torch's import was collecting
        for module in PRELOAD[self.order["framework"]]:
            try:
                __import__(module)
            except BaseException as error:
                if module not in OPTIONAL or not isinstance(error, ImportError):
                    traceback.print_exc()
                    return f"importing {module} failed: {type(error).__name__}: {error}"
        sys.modules["aicci_warm"] = sys.modules[__name__]  # how a keeper knows that it was forked, not executed
        from . import keeper as keeper  # imported so that the forked need not
        from .rank import main as main

        gc.collect()
        gc.freeze()
        gc.enable()
        claim = claim_of(os.getpid())
        write_json(self.order["json"], {**self.order, "claim": claim.to_json() if claim else None})
        set_title(f"aicci zygote {self.name}")
        return self.unfit()

    def unfit(self) -> str:
        """Why nothing may be forked from this process now, "" if it may."""
        threads = len(os.listdir("/proc/self/task"))
        if threads != 1:
            return f"{self.order['framework']} has started {threads - 1} threads"
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            return "CUDA is initialised"
        return "" if self.current() else "the environment has changed"

    def current(self) -> bool:
        """Whether the disk still says what this process was started for."""
        try:
            now = key(self.order["python"], self.order["framework"], self.order["env"], self.order["runtime_dir"])
        except OSError:
            return False
        return now == self.name

    def serve(self, unfit: str) -> None:
        """Answer requests until there is a reason to end."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers answer for themselves; the kernel reaps them
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        used_s = time.monotonic()
        while True:
            if poll.poll(int(LOOK_S * 1000)):
                unfit = unfit or self.unfit()
                self.answer(unfit)
                used_s = time.monotonic()
            elif not self.current() or _place(self.order["socket"]) != self.place:
                return  # stale, or nobody can find it any more
            if unfit or self.forks >= MOST_FORKS or time.monotonic() - used_s > IDLE_S:
                return

    def answer(self, unfit: str) -> None:
        """Take one request and do it, or say why not."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(REQUEST_S)
            try:
                request = json.loads(connection.makefile("rb").readline() or b"{}")
                reply: dict[str, Any] = {"ready": True}
                if unfit:
                    reply = {"refused": unfit}
                elif "node_dir" in request:
                    reply = {"pid": self.fork(request["node_dir"], connection)}
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except (OSError, ValueError):
                traceback.print_exc()  # the client went away; a keeper that was forked goes on, its claim is found

    def fork(self, node_dir: str, connection: socket.socket) -> int:
        """The pid of a new keeper; in the keeper itself this never returns."""
        self.forks += 1
        pid = os.fork()
        if pid:
            return pid
        try:
            os.close(self.lock_fd)  # first: the lock tells whether a zygote lives
            self.listener.close()
            connection.close()
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            from .keeper import run_keeper

            run_keeper(node_dir)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def turn_away(self, why: str) -> None:
        """Answer who connected while this process decided to end."""
        try:
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    connection.sendall(json.dumps({"refused": why, "again": True}).encode() + b"\n")
        except OSError:
            return


def _place(path: str) -> tuple[int, int]:
    """Which socket lies at a path: whoever clears the runtime directory leaves none, or another one."""
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0
    return state.st_dev, state.st_ino
