"""Which exceptions another rank's death causes, and which are the fault of what is around the program.

In: an exception, or the last lines of a log. Out: secondary or not; the reason of an infrastructure error or "".
Rule: by class and text only. The texts are those of gloo, NCCL, torch's store, XLA's coordination service and MPI; each pattern has
a line in tests/agent/rank/test_classify.py that a real peer's death printed, or its source.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Any

DISK_FULL, ADDRESS_IN_USE = "disk full", "address in use"  # faults/retry.py compares the second
LOG_TAIL_BYTES = 65_536

_LOST_PEER = re.compile(
    # sockets, gloo
    r"Connection (?:closed|reset) by (?:remote )?peer|Broken pipe|Socket closed|Connection refused|Connection aborted"
    r"|Application timeout caused pair closure|Timed out waiting \d+ ?ms for (?:recv|send) operation"
    # torch's store
    r"|wait timeout after \d+ ?ms|Timed out after \d+ seconds waiting for clients|remote server shutdown or crash"
    r"|[Ff]ailed to recv, got 0 bytes"
    # NCCL, HCCL
    r"|NCCL (?:remote|watchdog)|ncclRemoteError|remote process exited or there was a network error"
    r"|[Ww]atchdog caught collective operation timeout|NCCL communicator was aborted|HCCL.*(?:timeout|link)"
    # XLA's coordination service
    r"|Failed to send RPC to coordination service|[Cc]oordination service.*(?:heartbeat|unavailable|shut)|heartbeat timeout"
    r"|tasks? (?:have|has)? ?(?:crashed|died|been set to ERROR|been unhealthy)|another task died|Barrier (?:timed out|failed)"
    # MPI, our own
    r"|MPI_ABORT was invoked|lost communication with|[Pp]eer .*(?:died|failed|has left)"
)
_STATUS = re.compile(r"(?:UNKNOWN|UNAVAILABLE|INTERNAL|ABORTED|DEADLINE_EXCEEDED|CANCELLED|FAILED_PRECONDITION): ")
_ADDRESS = re.compile(r"EADDRINUSE|[Aa]ddress already in use")
_DISK = re.compile(r"No space left on device|ENOSPC|Disk quota exceeded")
_PORT_TAKEN = re.compile(r"Failed to add port to server: No address added")
_ABORTED = re.compile(
    r"Terminating process because the JAX distributed service detected fatal errors|another task died|MPI_ABORT was invoked"
)


class CollectiveAbort(ConnectionError):
    """Another rank went away in the middle of `aicci.allreduce`; always a consequence, never the cause."""


def is_secondary(error: BaseException) -> bool:
    """Whether another rank's death (or our own wish to stop) explains this exception, or one that it came from."""
    return any(_one_is_secondary(each) for each in chain(error))


def infrastructure_reason(error: BaseException) -> str:
    """`address in use`, `disk full`, or "" for an error of the program's own."""
    for each in chain(error):
        number, text = getattr(each, "errno", None), _text(each)
        if number in (errno.ENOSPC, errno.EDQUOT) or (
            not isinstance(each, (SyntaxError, KeyError)) and _DISK.search(text)
        ):
            return DISK_FULL
        if number == errno.EADDRINUSE or (_is_network_error(each) and _ADDRESS.search(text)):
            return ADDRESS_IN_USE
    return ""


def record_from_log(path: str, t_ns: int) -> dict[str, Any] | None:
    """The error record of a rank that native code ended because of what is around it; None where the log says no such thing.

    JAX does so, without an exception: its coordination client where another rank had died, its coordinator, by a segmentation
    fault, where the port is taken (jaxlib 0.10; grpc's add_port.cc has said why).
    """
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_TAIL_BYTES))
            tail = log.read().decode("utf-8", "replace")
    except OSError:
        return None
    for pattern, kind, reason in ((_PORT_TAKEN, "PortTaken", ADDRESS_IN_USE), (_ABORTED, "PeerLost", "")):
        line = next((line.strip() for line in tail.splitlines() if pattern.search(line)), "")
        if line:
            return {"t_ns": t_ns, "type": kind, "message": line, "traceback": "", "line": 0, "cell_line": "", "where": "",
                    "secondary": not reason, "infra": bool(reason), "reason": reason, "frames": [], "step": None}  # fmt: skip
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, the members of a group, and what each came from."""
    todo, seen = [error], set[int]()
    while todo:
        each = todo.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions
        follow = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        todo += [follow] if follow else []


def _one_is_secondary(error: BaseException) -> bool:
    if isinstance(error, CollectiveAbort) or (type(error).__name__ == "Stop" and type(error).__module__ == "aicci"):
        return True
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, ConnectionRefusedError)):
        return True
    text = _text(error)
    if not _is_network_error(error) and not (
        isinstance(error, ValueError) and _STATUS.match(text)
    ):  # JAX's CPU collectives
        return False
    return not _ADDRESS.search(text) and bool(_LOST_PEER.search(text))


def _is_network_error(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OSError", "RuntimeError", "DistError", "XlaRuntimeError", "JaxRuntimeError"})


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # somebody's __str__
        return ""
