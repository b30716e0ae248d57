"""How a keeper comes into being: from a zygote, which is started if there is none, or cold.

    fork_keeper(plan, node_dir, tell) -> (pid, "")  or  (0, why it must be cold)
    cold_keeper(node_dir, pidfds) -> pid

Rule 1: one zygote a key: who holds `zygote-KEY.lock` starts it and hands the lock over; the kernel frees it with the process.
Rule 2: the starter binds the socket before the zygote exists, so everyone connects at once and waits for the end of the import.
Rule 3: whatever goes wrong with a zygote, a cold start is the answer; a launch never fails for want of a warm one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import sys
import time

from .files import remove, write_json
from .frames import boot_ns
from .title import PAD, PAD_BYTES
from .warmkey import AT_IMPORT, at_import, key, package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

NS = 1_000_000_000
SOCKET_PATH_BYTES = 100
CONNECT_TRIES, CONNECT_AGAIN_S = 200, 0.01
FIRST_WORD_S = 0.15  # a warm zygote has answered by then
LOAD_S = 180.0  # longest import that is waited for
NEEDS_BYTES = {"torch": 1_500_000_000, "jax": 700_000_000, "plain": 200_000_000}  # of free memory, to start a zygote
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def fork_keeper(plan: dict[str, Any], node_dir: str, tell: Callable[[str], None]) -> tuple[int, str]:
    """(pid of the keeper, "") of a warm start, (0, the reason in words) where it has to be cold.

    `tell` hears about once a second what is waited for.
    """
    env = at_import(plan["ranks"][0]["env"])
    for _ in range(2):  # a zygote that ends just now turns us away, then its lock is free
        reply = _ask(plan["python"], plan["framework"], env, plan["runtime_dir"], {"node_dir": node_dir}, tell)
        if "pid" in reply:
            return int(reply["pid"]), ""
        if not reply.get("again"):
            break
    return 0, str(reply.get("refused", "the zygote gave no answer"))


def prepare(python: str, framework: str, env: dict[str, str], runtime_dir: str) -> str:
    """Have a zygote loaded; "" when it is ready, else why there is none."""
    reply = _ask(python, framework, at_import(env), runtime_dir, {}, lambda text: None)
    return "" if reply.get("ready") else str(reply.get("refused", "the zygote gave no answer"))


def cold_keeper(node_dir: str, pidfds: dict[int, int]) -> int:
    """Start a keeper by executing it; the pid.

    `pidfds` (rank -> descriptor) are handed on, so that the end of a rank that nobody is parent of is not lost.
    """
    for fd in pidfds.values():
        os.set_inheritable(fd, True)
    words = [f"{rank}={fd}" for rank, fd in pidfds.items()]
    pid = _spawn(
        sys.executable,
        ["-I", "-S", package(), "keeper", node_dir, *words],
        dict(os.environ),
        os.path.join(node_dir, "keeper.log"),
    )
    for fd in pidfds.values():
        os.set_inheritable(fd, False)
    return pid


def socket_path(runtime_dir: str, name: str) -> str:
    """Where the socket `name` is bound: in the runtime directory, or a short one where the kernel would not take the path."""
    path = os.path.join(runtime_dir, name)
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    folder = f"/tmp/aicci-{os.getuid()}"
    for each in (folder, os.path.join(folder, hashlib.sha256(os.fsencode(runtime_dir)).hexdigest()[:16])):
        os.makedirs(each, mode=0o700, exist_ok=True)
        state = os.lstat(each)
        if state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise OSError(f"{each} is not a directory that only this user may enter")
    return os.path.join(each, name)


def _ask(
    python: str,
    framework: str,
    env: dict[str, str],
    runtime_dir: str,
    request: dict[str, str],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The answer of the zygote of this key; `refused` where there is none to be had."""
    try:
        name = key(python, framework, env, runtime_dir)
        path = socket_path(runtime_dir, f"zygote-{name}.sock")
        lock = os.path.join(runtime_dir, f"zygote-{name}.lock")
        for _ in range(CONNECT_TRIES):
            why = _start_if_missing(python, framework, env, runtime_dir, name, path, lock)
            if why:
                return {"refused": why}
            with socket.socket(socket.AF_UNIX) as connection:
                try:
                    connection.connect(path)
                except (FileNotFoundError, ConnectionRefusedError):  # another agent starts it just now, or it ends
                    time.sleep(CONNECT_AGAIN_S)
                    continue
                connection.sendall(json.dumps(request).encode() + b"\n")
                return _reply(connection, framework, tell)
        return {"refused": "a zygote holds the lock and does not answer"}
    except OSError as error:
        return {"refused": f"the zygote cannot be reached: {error}"}


def _reply(connection: socket.socket, framework: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """The one line that comes back; until then `tell` hears how long the import takes."""
    connection.settimeout(FIRST_WORD_S)
    since_ns, data = boot_ns(), b""
    while not data.endswith(b"\n"):
        waited_s = (boot_ns() - since_ns) / NS
        if waited_s > LOAD_S:
            return {"refused": f"importing {framework} takes more than {LOAD_S:.0f} s"}
        try:
            part = connection.recv(4096)
        except TimeoutError:
            tell(f"importing {framework}" + (f", {waited_s:.0f} s" if waited_s >= 1 else ""))
            connection.settimeout(1.0)
            continue
        except ConnectionError:
            part = b""
        if not part:
            return {"refused": "the zygote died"}
        data += part
    reply: dict[str, Any] = json.loads(data)
    return reply


def _start_if_missing(
    python: str, framework: str, env: dict[str, str], runtime_dir: str, name: str, path: str, lock: str
) -> str:
    """Why there can be no zygote, "" if there is one now: it is started under the lock, which it inherits."""
    lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ""  # there is one, or it is being started
        free = available_bytes()
        if free < NEEDS_BYTES[framework]:
            return f"only {free / 1e9:.1f} GB of memory are free"
        remove(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(64)
            _start(python, framework, env, runtime_dir, name, path, listener.fileno(), lock_fd)
        return ""
    finally:
        os.close(lock_fd)


def _start(
    python: str,
    framework: str,
    env: dict[str, str],
    runtime_dir: str,
    name: str,
    path: str,
    listener: int,
    lock_fd: int,
) -> None:
    base = os.path.join(runtime_dir, f"zygote-{name}")
    order = {
        "python": python, "framework": framework, "env": env, "runtime_dir": runtime_dir, "socket": path, "json": f"{base}.json",
    }  # fmt: skip
    write_json(f"{base}.json", order)
    for fd in (listener, lock_fd):
        os.set_inheritable(fd, True)
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith(AT_IMPORT)}
    surroundings |= env | dict.fromkeys(ONE_THREAD, "1")
    surroundings |= {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "PYTHONUNBUFFERED": "1", PAD: "-" * PAD_BYTES}
    _spawn(
        python,
        ["-u", package(), "zygote", name, f"{base}.json", str(listener), str(lock_fd)],
        surroundings,
        f"{base}.log",
    )


def _spawn(python: str, words: Sequence[str], env: dict[str, str], log: str) -> int:
    """Execute in a session of its own, with nothing but the log and the inheritable descriptors. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(python, [python, *words], env, file_actions=actions, setsid=True)


def available_bytes() -> int:
    """Memory that can be had without swapping; a large number where the kernel does not say."""
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 1 << 62
