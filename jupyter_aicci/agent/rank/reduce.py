"""`aicci.allreduce` for programs without a framework: numbers and arrays over TCP, through rank 0.

In: a value, the same shape on every rank. Out: the reduction, bit for bit the same on every rank: rank 0 adds in rank order.
Rule 1: no port is leased. Rank 0 listens on any free one and leaves its address with a token in the attempt's directory.
Rule 2: a rank that goes away ends the call on all others with `CollectiveAbort`, which faults.judge counts as a consequence.
Rule 3: a wait is left when the run is to end.
Two messages a rank and call: this is for examples and small gradients, not for speed.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import selectors
import socket
import struct
import time
from typing import Any, cast

from ..files import read_json, write_json
from .classify import CollectiveAbort
from .session import Session

HEADER = struct.Struct("<II")  # length of the JSON head, length of the data
HELLO = struct.Struct("<32sI")  # token, rank
HELLO_S = 5.0  # for the rest of a hello that has begun; before it a rank may take its time
LOOK_S = 0.2  # how often a wait looks whether the run is to end
OPERATIONS = ("sum", "mean", "min", "max")


class Star:
    """The connections of one rank: to rank 0, or, on rank 0, to all others."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._peers: list[socket.socket] = []  # on rank 0 in the order of ranks 1..n-1, elsewhere rank 0 alone

    def allreduce(self, value: Any, op: str) -> Any:
        """The reduction of every rank's `value`. Raises `CollectiveAbort`, `ValueError`, `TypeError`."""
        if op not in OPERATIONS:
            raise ValueError(f"aicci.allreduce op {op!r}: expected one of {', '.join(OPERATIONS)}")
        head, data = _packed(value)
        head["op"] = op
        if self._session.world_size == 1:
            return _unpacked(head, data)
        if not self._peers:
            self._peers = self._accept() if self._session.rank == 0 else [self._connect()]
        if self._session.rank == 0:
            return self._reduce(head, data)
        self._send(0, head, data)
        return _result(*self._receive(0))

    def _reduce(self, head: dict[str, Any], data: bytes) -> Any:
        """On rank 0: take all, add in rank order, give all."""
        parts, wrong = [data], ""
        for place in range(len(self._peers)):
            other, their_data = self._receive(place)
            if other != head:
                wrong = wrong or f"rank {place + 1} called it with {_words(other)}, rank 0 with {_words(head)}"
            parts.append(their_data)
        answer = {**head, "error": f"aicci.allreduce: {wrong}"} if wrong else head
        total = b"" if wrong else _combined(head, parts)
        for place in range(len(self._peers)):
            self._send(place, answer, total)
        return _result(answer, total)

    # the wire

    def _rendezvous(self) -> str:
        attempt = os.path.join(self._session.run_dir, f"attempt-{self._session.attempt}")
        return os.path.join(attempt, "allreduce.json")

    def _accept(self) -> list[socket.socket]:
        address, token = os.environ.get("MASTER_ADDR", "127.0.0.1"), secrets.token_hex(16)
        found: dict[int, socket.socket] = {}
        with (
            socket.create_server((address, 0), family=_family(address), backlog=self._session.world_size) as server,
            selectors.DefaultSelector() as ready,
        ):
            ready.register(server, selectors.EVENT_READ)
            write_json(self._rendezvous(), {"address": address, "port": server.getsockname()[1], "token": token})
            while len(found) < self._session.world_size - 1:
                self._session.stop_point()
                for key, _ in ready.select(LOOK_S):
                    if key.fileobj is server:
                        ready.register(server.accept()[0], selectors.EVENT_READ)
                        continue
                    peer = cast(socket.socket, key.fileobj)
                    ready.unregister(peer)
                    rank = _greet(peer, token)
                    if rank is not None:
                        found[rank] = peer
            for key in tuple(ready.get_map().values()):  # who came and said nothing
                if key.fileobj is not server:
                    cast(socket.socket, key.fileobj).close()
        return [found[rank] for rank in sorted(found)]

    def _connect(self) -> socket.socket:
        while True:
            place = read_json(self._rendezvous())
            if place:
                try:
                    peer = socket.create_connection((place["address"], place["port"]), timeout=10.0)
                except OSError as error:
                    raise CollectiveAbort(
                        f"rank 0 has left aicci.allreduce before rank {self._session.rank} came: {error}"
                    ) from None
                peer.sendall(HELLO.pack(str(place["token"]).encode(), self._session.rank))
                _tuned(peer)
                return peer
            self._session.stop_point()
            time.sleep(0.005)

    def _send(self, place: int, head: dict[str, Any], data: bytes) -> None:
        text = json.dumps(head).encode()
        view = memoryview(HEADER.pack(len(text), len(data)) + text + data)
        while view:
            try:
                view = view[self._peers[place].send(view) :]
            except TimeoutError:
                self._session.stop_point()
            except OSError as error:
                raise self._gone(place, error) from None

    def _receive(self, place: int) -> tuple[dict[str, Any], bytes]:
        text_bytes, data_bytes = HEADER.unpack(self._exactly(place, HEADER.size))
        head = json.loads(self._exactly(place, text_bytes))
        return head, self._exactly(place, data_bytes)

    def _exactly(self, place: int, n_bytes: int) -> bytes:
        data = bytearray()
        while len(data) < n_bytes:
            try:
                piece = self._peers[place].recv(min(n_bytes - len(data), 1 << 20))
            except TimeoutError:
                self._session.stop_point()
                continue
            except OSError as error:
                raise self._gone(place, error) from None
            if not piece:
                raise self._gone(place, None)
            data += piece
        return bytes(data)

    def _gone(self, place: int, error: OSError | None) -> CollectiveAbort:
        rank = place + 1 if self._session.rank == 0 else 0
        return CollectiveAbort(
            f"peer rank {rank} died or left during aicci.allreduce" + (f": {error}" if error else "")
        )


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _greet(peer: socket.socket, token: str) -> int | None:
    """The rank behind a connection that has begun to speak, None for a stranger."""
    peer.settimeout(HELLO_S)
    try:
        told, rank = HELLO.unpack(peer.recv(HELLO.size, socket.MSG_WAITALL))
    except (OSError, struct.error):
        told, rank = b"", 0
    if not hmac.compare_digest(told, token.encode()):
        peer.close()
        return None
    _tuned(peer)
    return int(rank)


def _tuned(peer: socket.socket) -> None:
    peer.settimeout(LOOK_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _packed(value: Any) -> tuple[dict[str, Any], bytes]:
    """(what it is, its bytes): a number as one double, everything array-like through numpy."""
    if isinstance(value, (bool, int, float)):
        return {"kind": "number"}, struct.pack("<d", value)
    try:
        import numpy as np
    except ImportError:
        raise TypeError(
            f"aicci.allreduce takes numbers where numpy is not installed, got {type(value).__name__}"
        ) from None
    array = np.ascontiguousarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"aicci.allreduce takes numbers and arrays of numbers, got {type(value).__name__} of {array.dtype}"
        )
    return {"kind": "array", "dtype": array.dtype.str, "shape": list(np.shape(value))}, array.tobytes()


def _unpacked(head: dict[str, Any], data: bytes) -> Any:
    if head["kind"] == "number":
        return struct.unpack("<d", data)[0]
    import numpy as np

    return np.frombuffer(bytearray(data), dtype=np.dtype(head["dtype"])).reshape(head["shape"])


def _combined(head: dict[str, Any], parts: list[bytes]) -> bytes:
    if head["kind"] == "number":
        numbers = [struct.unpack("<d", part)[0] for part in parts]
        total = {"min": min, "max": max}.get(head["op"], sum)(numbers)
        return struct.pack("<d", total / len(parts) if head["op"] == "mean" else total)
    import numpy as np

    arrays = [_unpacked(head, part) for part in parts]
    total = arrays[0].copy()
    step = {"min": np.minimum, "max": np.maximum}.get(head["op"], np.add)
    for array in arrays[1:]:
        step(total, array, out=total)
    if head["op"] == "mean":
        total = (total / len(parts)).astype(total.dtype)
    return bytes(total.tobytes())


def _result(head: dict[str, Any], data: bytes) -> Any:
    if "error" in head:
        raise ValueError(head["error"])
    return _unpacked(head, data)


def _words(head: dict[str, Any]) -> str:
    what = "a number" if head["kind"] == "number" else f"an array {tuple(head['shape'])} of {head['dtype']}"
    return f"{what}, op {head['op']}"
