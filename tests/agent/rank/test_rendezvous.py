"""Ranks of one host meet as soon as rank 0 listens."""

from __future__ import annotations

import socket
import threading
import types

from jupyter_aicci.agent.rank.rendezvous import hook, listens, wait_for_listener


def test_a_port_is_listened_on_from_listen_to_close() -> None:
    """Bound is not yet listening; IPv6 counts as well."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((host, 0))
            port = server.getsockname()[1]
            assert not listens(port)
            server.listen()
            assert listens(port)
        assert not listens(port)


def test_waiting_ends_with_the_listener_or_with_the_limit() -> None:
    """True as soon as it listens, False when nobody does in time."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert not wait_for_listener(port, limit_s=0.0)
        timer = threading.Timer(0.05, server.listen)
        timer.start()
        assert wait_for_listener(port, limit_s=20.0)
        timer.join()


def test_only_ranks_that_connect_to_this_host_wait() -> None:
    """Rank 0 makes the store at once, and so does a rank whose store is elsewhere; the arguments come through."""
    calls = []
    module = types.ModuleType("torch.distributed.rendezvous")
    module.__dict__["_create_c10d_store"] = lambda *args, **kwargs: calls.append((args, kwargs))
    hook(module)
    module._create_c10d_store("127.0.0.1", 1, 0, 2, timeout=3)
    module._create_c10d_store("10.0.0.7", 1, 1, 2, timeout=3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        module._create_c10d_store("127.0.0.1", port, 1, 2, timeout=3)
    assert calls == [
        (("127.0.0.1", 1, 0, 2), {"timeout": 3}),
        (("10.0.0.7", 1, 1, 2), {"timeout": 3}),
        (("127.0.0.1", port, 1, 2), {"timeout": 3}),
    ]
